export interface Reading<T> {
  /** Seconds from the first one. */
  readonly at: number;
  readonly value: T;
}

/** Reads a figure again and again until `stop`: memory of a process, what a sidecar holds. */
export class Sampler<T> {
  readonly readings: Reading<T>[] = [];
  readonly #began = performance.now();
  readonly #sampling: Promise<void>;
  #stopped = false;

  constructor(
    private readonly everyMs: number,
    private readonly read: () => T | Promise<T>,
  ) {
    this.#sampling = this.#sample();
    // `stop` throws the error.
    this.#sampling.catch(() => {});
  }

  get values(): T[] {
    return this.readings.map(({ value }) => value);
  }

  /** @throws when a reading failed */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#sampling;
  }

  async #sample(): Promise<void> {
    while (!this.#stopped) {
      const value = await this.read();
      this.readings.push({ at: (performance.now() - this.#began) / 1000, value });
      await Bun.sleep(this.everyMs);
    }
  }
}
