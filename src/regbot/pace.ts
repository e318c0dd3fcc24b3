import type { Timer, Timers } from '../lib/timers.ts';

/** What waits for its turn. */
export interface Paced {
  turn(): void;
}

/** Lets what is queued proceed in the order it came, so many at a time. */
export class Pace {
  /** A Set: nothing waits twice. */
  readonly #queue = new Set<Paced>();
  #timer: Timer | undefined;
  #left: number;

  /** @param batchSleepMs between the starts of two batches */
  constructor(
    private readonly batchSize: number,
    private readonly batchSleepMs: number,
    private readonly timers: Timers,
  ) {
    this.#left = batchSize;
  }

  add(paced: Paced): void {
    this.#queue.add(paced);
    this.#proceed();
  }

  clear(): void {
    this.#queue.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#left = this.batchSize;
  }

  #proceed(): void {
    for (const paced of this.#queue) {
      if (this.#left === 0) return;
      this.#left--;
      this.#queue.delete(paced);
      this.#timer ??= this.timers.after(this.batchSleepMs, () => {
        this.#timer = undefined;
        this.#left = this.batchSize;
        this.#proceed();
      });
      paced.turn();
    }
  }
}
