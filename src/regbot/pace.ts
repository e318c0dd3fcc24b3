import type { Timer, Timers } from '../timers.ts';

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

  /** @param batchSleepMs between batches, and up to a fifth more at random */
  constructor(
    private readonly batchSize: number,
    private readonly batchSleepMs: number,
    private readonly timers: Timers,
    private readonly random: () => number,
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
      this.#timer ??= this.timers.after(this.batchSleepMs * (1 + this.random() / 5), () => {
        this.#timer = undefined;
        this.#left = this.batchSize;
        this.#proceed();
      });
      paced.turn();
    }
  }
}
