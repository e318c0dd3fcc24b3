const HASH = 0x23;
const ZERO = 0x30;
const NOTHING = Buffer.alloc(0);

/** `<bytes>#<payload>`: the length is in bytes of UTF-8. */
export function encodeFrame(payload: string): string {
  return `${Buffer.byteLength(payload)}#${payload}`;
}

/** Splits a stream of bytes into the payloads of frames. */
export class FrameReader {
  #rest = NOTHING;

  /** @param maxBytes of a frame's payload */
  constructor(
    private readonly maxBytes: number,
    private readonly frame: (payload: string) => void,
  ) {}

  /** @returns false for an invalid or too long frame, after which the stream cannot be read */
  push(chunk: Buffer): boolean {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at < bytes.length) {
      const hash = bytes.indexOf(HASH, at);
      const digits = (hash < 0 ? bytes.length : hash) - at;
      const length = lengthAt(bytes, at, digits, this.maxBytes);
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

/** The frame length in `digits` digits; undefined when it is invalid or too large. */
function lengthAt(bytes: Buffer, at: number, digits: number, max: number): number | undefined {
  if (digits < 1 || digits > String(max).length) return undefined;
  let length = 0;
  for (let i = at; i < at + digits; i++) {
    const digit = (bytes[i] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    length = length * 10 + digit;
  }
  return length <= max ? length : undefined;
}
