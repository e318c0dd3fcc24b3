import { LruCache } from './lru-cache.ts';
import type { Clock } from './timers.ts';

/** The key used longest ago is forgotten beyond this, and due again. */
const MAX_KEYS = 10_000;

/** Limits something to once per interval and key, such as the warnings about one source. */
export class OncePer {
  readonly #last = new LruCache<number>(MAX_KEYS);
  #intervalEnd = Number.NEGATIVE_INFINITY;
  #inInterval = 0;

  /** @param max in an interval, over all keys; default: no limit */
  constructor(
    private readonly intervalMs: number,
    private readonly clock: Clock,
    private readonly max = Number.POSITIVE_INFINITY,
  ) {}

  /** Whether the interval since the last time that this was true for the key is over. */
  isDue(key: string): boolean {
    const now = this.clock.now();
    if (now - (this.#last.get(key) ?? Number.NEGATIVE_INFINITY) < this.intervalMs) return false;
    if (now >= this.#intervalEnd) {
      this.#intervalEnd = now + this.intervalMs;
      this.#inInterval = 0;
    }
    if (this.#inInterval >= this.max) return false;
    this.#inInterval++;
    this.#last.set(key, now);
    return true;
  }
}
