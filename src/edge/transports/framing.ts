import { type Header, MalformedMessage, type ParsedMessage } from '../../sip/message.ts';
import { isFiller, type ParsedHead, parseHead } from '../../sip/parse-message.ts';
import { MAX_MESSAGE_BYTES } from '../limits.ts';
import { GrowingBuffer } from './growing-buffer.ts';

const BLANK_LINE = Buffer.from('\r\n\r\n');
const CR = 0x0d;
const LF = 0x0a;

export interface StreamEvents {
  message(message: ParsedMessage, bytes: number): void;
  /** @param fatal the end of the message is unknown, so that nothing after it can be read */
  malformed(error: MalformedMessage, fatal: boolean): void;
  /** A double CRLF, to be answered with a single one (RFC 5626 3.5.1). */
  keepAlive(): void;
}

/** Finds the messages in a stream by their Content-Length, which is mandatory on streams (RFC 3261 18.3). */
export class StreamFramer {
  readonly #rest = new GrowingBuffer();
  /** Length of {@link #rest} without a blank line. */
  #searched = 0;
  #head: ParsedHead | undefined;
  #headBytes = 0;
  /** Remaining body bytes of a refused message. */
  #skip = 0;
  #crlfs = 0;
  #broken = false;

  constructor(private readonly events: StreamEvents) {}

  /** Whether a message is incomplete; true for ever after a fatal one. */
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
      // A copy, because the chunk's buffer may be reused.
      const rest = bytes.subarray(at);
      this.#rest.clear();
      this.#rest.append(rest);
    }
  }

  /** Reads one item at that index and returns the index after it, or the same index if it is incomplete. */
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
    if (isFiller(bytes[at])) return at + 1;
    const blank = bytes.indexOf(BLANK_LINE, at + this.#searched);
    if (blank < 0 ? bytes.length - at > MAX_MESSAGE_BYTES : blank - at > MAX_MESSAGE_BYTES) {
      this.#refuse(new MalformedMessage(413, 'Message Too Large', undefined, []), true);
      return bytes.length;
    }
    if (blank < 0) {
      // The last three bytes may begin the blank line.
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

/** The Content-Length of a malformed message, if it has one valid value. */
function lengthOf(headers: readonly Header[]): number | undefined {
  const values = new Set(headers.filter((h) => h.name === 'Content-Length').map((h) => h.value));
  const [value] = values;
  if (value === undefined || values.size > 1 || !/^\d{1,5}$/.test(value)) return undefined;
  const length = Number(value);
  return length <= MAX_MESSAGE_BYTES ? length : undefined;
}
