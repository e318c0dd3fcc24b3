import { MAX_BODY } from './body.ts';
import { type Head, MalformedResponse, parseHead } from './response-head.ts';

export interface HttpResponse {
  readonly status: number;
  /** Still encoded; undefined when it is longer than MAX_BODY. */
  readonly body: Buffer | undefined;
  readonly encoding: string | undefined;
  /** Whether the connection can take another request. */
  readonly isPersistent: boolean;
}

/** Bytes of all heads, interim ones included, and of the trailer: as many as Node's own client reads. */
const MAX_HEAD = 16 * 1024;
/** Bytes of the size of a chunk with its extensions. */
const MAX_CHUNK_LINE = 256;

const CRLF = '\r\n';
const BLANK_LINE = '\r\n\r\n';
const CHUNK_LINE = /^([\da-f]{1,8})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/i;

/** Reads one response to a GET or POST (RFC 9112). One that breaks the grammar or exceeds a bound is refused. */
export class ResponseReader {
  /** Received and not yet consumed. */
  #pending: Buffer = Buffer.alloc(0);
  #head: Head | undefined;
  #headBytes = 0;
  readonly #chunks: Buffer[] = [];
  #bodyBytes = 0;

  /**
   * @returns the response as soon as it is whole or its body too long
   * @throws MalformedResponse
   */
  read(data: Buffer): HttpResponse | undefined {
    this.#pending = this.#pending.length === 0 ? data : Buffer.concat([this.#pending, data]);
    this.#head ??= this.#readHead();
    if (!this.#head) return undefined;
    return this.#head.framing === 'chunked' ? this.#readChunks(this.#head) : this.#readBody(this.#head);
  }

  /** The server has closed the connection. @returns the response when its body ends so */
  end(): HttpResponse | undefined {
    return this.#head?.framing === 'until close' ? responseOf(this.#head, this.#pending) : undefined;
  }

  /** The head of the final response; interim ones are skipped (RFC 9110 15.2). */
  #readHead(): Head | undefined {
    for (;;) {
      const end = this.#pending.indexOf(BLANK_LINE);
      const length = end < 0 ? this.#pending.length : end + BLANK_LINE.length;
      if (this.#headBytes + length > MAX_HEAD) throw new MalformedResponse('the head of the response is too long');
      if (end < 0) return undefined;
      const head = parseHead(this.#pending.toString('latin1', 0, end));
      this.#pending = this.#pending.subarray(length);
      this.#headBytes += length;
      if (head.status >= 200) return head;
    }
  }

  #readBody(head: Head): HttpResponse | undefined {
    const received = this.#pending.length;
    const length = typeof head.framing === 'number' ? head.framing : undefined;
    if ((length ?? received) > MAX_BODY) return responseOf(head, undefined);
    if (length === undefined || received < length) return undefined;
    return responseOf(head, this.#pending.subarray(0, length), received === length);
  }

  /** RFC 9112 7.1 */
  #readChunks(head: Head): HttpResponse | undefined {
    for (;;) {
      const lineEnd = this.#pending.indexOf(CRLF);
      if ((lineEnd < 0 ? this.#pending.length - 1 : lineEnd) > MAX_CHUNK_LINE) throw malformedChunk();
      if (lineEnd < 0) return undefined;
      const [, size] = CHUNK_LINE.exec(this.#pending.toString('latin1', 0, lineEnd)) ?? [];
      if (size === undefined) throw malformedChunk();
      const start = lineEnd + CRLF.length;
      const end = start + Number.parseInt(size, 16);
      if (end === start) return this.#readTrailer(head, lineEnd);
      if (this.#bodyBytes + end - start > MAX_BODY) return responseOf(head, undefined);
      if (this.#pending.length < end + CRLF.length) return undefined;
      if (this.#pending.toString('latin1', end, end + CRLF.length) !== CRLF) throw malformedChunk();
      this.#chunks.push(this.#pending.subarray(start, end));
      this.#bodyBytes += end - start;
      this.#pending = this.#pending.subarray(end + CRLF.length);
    }
  }

  /** Its fields are ignored. @param start of the line break before it */
  #readTrailer(head: Head, start: number): HttpResponse | undefined {
    const end = this.#pending.indexOf(BLANK_LINE, start);
    const length = end < 0 ? this.#pending.length : end + BLANK_LINE.length;
    if (length > MAX_HEAD) throw malformedChunk();
    return end < 0 ? undefined : responseOf(head, Buffer.concat(this.#chunks), this.#pending.length === length);
  }
}

function malformedChunk(): MalformedResponse {
  return new MalformedResponse('a chunk of the response is malformed');
}

/** @param isAll whether nothing was received beyond the response */
function responseOf({ status, encoding, keepsOpen }: Head, body: Buffer | undefined, isAll = false): HttpResponse {
  return { status, encoding, body, isPersistent: keepsOpen && isAll };
}
