import { type Header, MalformedMessage, type ParsedMessage } from '../../sip/message.ts';
import { type ParsedHead, parseHead } from '../../sip/parse-message.ts';
import { MAX_MESSAGE_BYTES } from '../limits.ts';
import { GrowingBuffer } from './growing-buffer.ts';

const BLANK_LINE = Buffer.from('\r\n\r\n');
const CR = 0x0d;
const LF = 0x0a;

export interface StreamEvents {
  /** @param bytes its length on the wire */
  message(message: ParsedMessage, bytes: number): void;
  /** @param fatal where it ends cannot be told: nothing after it makes sense */
  malformed(error: MalformedMessage, fatal: boolean): void;
  /** A double CRLF came, which wants a single one back (RFC 5626 3.5.1). */
  keepAlive(): void;
}

/**
 * Finds the messages in a stream of bytes, however they are cut into pieces: each ends where its Content-Length says,
 * which on a stream is mandatory (RFC 3261 18.3).
 */
export class StreamFramer {
  /** The beginning of a message whose end has not come. */
  readonly #rest = new GrowingBuffer();
  /** How far a blank line has been looked for in vain. */
  #searched = 0;
  #head: ParsedHead | undefined;
  #headBytes = 0;
  /** Bytes of the body of a refused message, which are to be skipped. */
  #skip = 0;
  #crlfs = 0;
  #broken = false;

  constructor(private readonly events: StreamEvents) {}

  /** Whether a message has begun and not ended; one whose end cannot be told never does. */
  get halfOpen(): boolean {
    return this.#broken || this.#rest.length > 0 || this.#head !== undefined || this.#skip > 0;
  }

  get keptBytes(): number {
    return this.#rest.length + (this.#head ? this.#headBytes : 0);
  }

  push(chunk: Buffer): void {
    if (this.#broken) return;
    let bytes = chunk;
    if (this.#rest.length > 0) {
      this.#rest.append(chunk);
      bytes = this.#rest.bytes;
    }
    let at = 0;
    while (at < bytes.length && !this.#broken) {
      const next = this.#take(bytes, at);
      if (next === at) break;
      at = next;
    }
    if (this.#broken || at === bytes.length) this.#rest.clear();
    else if (at > 0 || bytes === chunk) {
      // What is left is copied: it may be a view of a buffer that is not ours, or its beginning is of no more use.
      const rest = bytes.subarray(at);
      this.#rest.clear();
      this.#rest.append(rest);
    }
  }

  /** Takes one thing off the stream at that index and returns the index after it; the same index if more must come. */
  #take(bytes: Buffer, at: number): number {
    if (this.#skip > 0) {
      const skipped = Math.min(this.#skip, bytes.length - at);
      this.#skip -= skipped;
      return at + skipped;
    }
    return this.#head ? this.#takeBody(bytes, at, this.#head) : this.#takeHead(bytes, at);
  }

  #takeHead(bytes: Buffer, at: number): number {
    if (bytes[at] === CR) {
      if (at + 1 === bytes.length) return at;
      if (bytes[at + 1] === LF) return this.#takeCrlf(at);
    }
    this.#crlfs = 0;
    const blank = bytes.indexOf(BLANK_LINE, at + this.#searched);
    if (blank < 0 ? bytes.length - at > MAX_MESSAGE_BYTES : blank - at > MAX_MESSAGE_BYTES) {
      this.#refuse(new MalformedMessage(413, 'Message Too Large', undefined, []), true);
      return bytes.length;
    }
    if (blank < 0) {
      // The blank line may have begun: its last three bytes are looked at again.
      this.#searched = Math.max(0, bytes.length - at - 3);
      return at;
    }
    this.#searched = 0;
    const end = blank + BLANK_LINE.length;
    try {
      const head = parseHead(bytes.subarray(at, end));
      const { message, contentLength } = head;
      const method = message.kind === 'request' ? message.method : undefined;
      if (contentLength === undefined) {
        this.#refuse(new MalformedMessage(400, 'Missing Content-Length', method, message.headers), true);
      } else if (end - at + contentLength > MAX_MESSAGE_BYTES) {
        this.#refuse(new MalformedMessage(413, 'Message Too Large', method, message.headers), true);
      } else if (contentLength === 0) {
        this.events.message(message, end - at);
      } else {
        this.#head = head;
        this.#headBytes = end - at;
      }
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      const length = lengthOf(error.headers);
      this.#skip = length ?? 0;
      this.#refuse(error, length === undefined);
    }
    return end;
  }

  #takeBody(bytes: Buffer, at: number, { message, contentLength = 0 }: ParsedHead): number {
    if (bytes.length - at < contentLength) return at;
    const body = Buffer.from(bytes.subarray(at, at + contentLength));
    this.#head = undefined;
    this.events.message({ ...message, body }, this.#headBytes + contentLength);
    return at + contentLength;
  }

  #takeCrlf(at: number): number {
    if (++this.#crlfs === 2) {
      this.#crlfs = 0;
      this.events.keepAlive();
    }
    return at + 2;
  }

  #refuse(error: MalformedMessage, fatal: boolean): void {
    this.#broken = fatal;
    this.events.malformed(error, fatal);
  }
}

/** The Content-Length of a message that was refused for something else, if there is just one and it is sound. */
function lengthOf(headers: readonly Header[]): number | undefined {
  const values = headers.filter((h) => h.name === 'Content-Length').map((h) => h.value);
  const [value] = values;
  if (value === undefined || values.length > 1 || !/^\d{1,5}$/.test(value)) return undefined;
  const length = Number(value);
  return length <= MAX_MESSAGE_BYTES ? length : undefined;
}
