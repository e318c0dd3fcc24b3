const EMPTY = Buffer.alloc(0);
const FIRST_BYTES = 2048;

/** Collects bytes. It doubles its capacity when full and holds no memory while empty. Callers bound its length. */
export class GrowingBuffer {
  #buffer = EMPTY;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** A view, valid until the next change. */
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
    this.#buffer = EMPTY;
    this.#length = 0;
  }
}
