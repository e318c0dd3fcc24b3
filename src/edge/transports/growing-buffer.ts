const NOTHING = Buffer.alloc(0);
const FIRST_BYTES = 2048;

/**
 * Bytes that are collected piece by piece. It grows by doubling, so that what comes byte by byte is not copied once for
 * every byte; and it holds no memory while it is empty, as most connections are most of the time. Whoever appends sees
 * to the bound.
 */
export class GrowingBuffer {
  /** Of its capacity, `#length` bytes are in use. */
  #buffer = NOTHING;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** A view of all that was appended, good until the next change. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  append(chunk: Uint8Array): void {
    const length = this.#length + chunk.length;
    if (length > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(FIRST_BYTES, this.#buffer.length * 2, length));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    this.#buffer.set(chunk, this.#length);
    this.#length = length;
  }

  clear(): void {
    this.#buffer = NOTHING;
    this.#length = 0;
  }
}
