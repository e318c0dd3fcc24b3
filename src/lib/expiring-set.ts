import { LRUCache } from 'lru-cache';
import type { Timers } from './timers.ts';

/** Keys that are in the set for a time; beyond `max` the one used longest ago is dropped. */
export class ExpiringSet {
  readonly #until: LRUCache<string, number>;

  constructor(
    max: number,
    private readonly lifetimeMs: number,
    private readonly timers: Pick<Timers, 'monotonic'>,
  ) {
    this.#until = new LRUCache({ max });
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
