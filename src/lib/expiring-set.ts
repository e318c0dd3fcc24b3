import { LruCache } from './lru-cache.ts';
import type { Timers } from './timers.ts';

/** Keys that are in the set for a time; beyond `max` the one used longest ago is dropped. */
export class ExpiringSet {
  readonly #until: LruCache<number>;

  constructor(
    max: number,
    private readonly lifetimeMs: number,
    private readonly timers: Pick<Timers, 'monotonic'>,
  ) {
    this.#until = new LruCache(max);
  }

  add(key: string): void {
    this.#until.set(key, this.timers.monotonic() + this.lifetimeMs);
  }

  has(key: string): boolean {
    return this.timers.monotonic() < (this.#until.get(key) ?? Number.NEGATIVE_INFINITY);
  }

  delete(key: string): void {
    this.#until.delete(key);
  }
}
