/** Every latency of a run in ms, exact: eight bytes each. */
export class Latency {
  #values = new Float64Array(4096);
  #count = 0;
  #sorted = true;

  get count(): number {
    return this.#count;
  }

  add(ms: number): void {
    if (this.#count === this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#count++] = ms;
    this.#sorted = false;
  }

  /** The smallest value that at least this share (0 to 1) of all values does not exceed; NaN without values. */
  percentile(share: number): number {
    if (!this.#sorted) {
      this.#values.subarray(0, this.#count).sort();
      this.#sorted = true;
    }
    if (this.#count === 0) return Number.NaN;
    return this.#values[Math.max(0, Math.ceil(share * this.#count) - 1)] ?? Number.NaN;
  }
}
