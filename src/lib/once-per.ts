import { LRUCache } from 'lru-cache';
import type { Clock } from './timers.ts';

const MAX_REMEMBERED = 10_000;

/** Keeps what would be said over and over to once in a while. */
export class Repeats {
  readonly #last = new LRUCache<string, number>({ max: MAX_REMEMBERED });

  constructor(
    private readonly everyMs: number,
    private readonly clock: Clock,
  ) {}

  /** @returns whether it is time to say this again; if so, it counts as said */
  isDue(what: string): boolean {
    const now = this.clock.now();
    if (now - (this.#last.get(what) ?? Number.NEGATIVE_INFINITY) < this.everyMs) return false;
    this.#last.set(what, now);
    return true;
  }
}
