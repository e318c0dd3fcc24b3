import type { Wire } from '../../../src/sip/message.ts';

/** Bytes of the longest frame that is read. */
export const MAX_FRAME_BYTES = 65_536;

const HASH = 0x23;
const ZERO = 0x30;
const MAX_DIGITS = String(MAX_FRAME_BYTES).length;
const NOTHING = Buffer.alloc(0);

/** `<bytes>#<payload>`, the length in bytes of UTF-8; the payload is a first line and perhaps a message. */
export function encodeFrame(leader: string, message: Wire): Wire {
  if (typeof message === 'string') {
    const payload = leader + message;
    return `${Buffer.byteLength(payload)}#${payload}`;
  }
  const bytes = Buffer.from(leader);
  return Buffer.concat([Buffer.from(`${bytes.length + message.length}#`), bytes, message]);
}

/** Finds the frames in a stream, however it is cut. */
export class FrameReader {
  #rest = NOTHING;

  constructor(private readonly frame: (payload: string) => void) {}

  /** False: what came is no frame, or too long a one, and the stream has no meaning from here on. */
  push(chunk: Buffer): boolean {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at < bytes.length) {
      const hash = bytes.indexOf(HASH, at);
      const digits = (hash < 0 ? bytes.length : hash) - at;
      const length = lengthAt(bytes, at, digits);
      if (length === undefined || (hash >= 0 && length === 0)) return false;
      const end = hash + 1 + length;
      if (hash < 0 || end > bytes.length) break;
      this.frame(bytes.toString('utf8', hash + 1, end));
      at = end;
    }
    this.#rest = at === bytes.length ? NOTHING : Buffer.from(bytes.subarray(at));
    return true;
  }
}

/** The decimal number of that many digits; undefined when it is none, or over the bound. */
function lengthAt(bytes: Buffer, at: number, digits: number): number | undefined {
  if (digits < 1 || digits > MAX_DIGITS) return undefined;
  let length = 0;
  for (let i = at; i < at + digits; i++) {
    const digit = (bytes[i] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    length = length * 10 + digit;
  }
  return length <= MAX_FRAME_BYTES ? length : undefined;
}
