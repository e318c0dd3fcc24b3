import type { Timer, Timers } from '../lib/timers.ts';

export interface Paced {
  turn(): void;
}

/** Starts queued items in order, `batchSize` at a time. */
export class Pace {
  /** A Set, so that no item is queued twice. */
  readonly #queue = new Set<Paced>();
  #timer: Timer | undefined;
  #left: number;

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
