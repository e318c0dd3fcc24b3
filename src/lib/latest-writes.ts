import { QueryFault } from '../ports/errors.ts';
import { background } from './background.ts';
import type { Logger } from './logger.ts';
import type { Timer, Timers } from './timers.ts';

const RETRY_MS = 5_000;
/** Longer, as what a store refuses it usually refuses again. */
const REFUSED_RETRY_MS = 60_000;

export interface LatestWritesOptions<V> {
  /** Names the values in the log: `register_status`. */
  readonly what: string;
  /** Keys written at the same time. */
  readonly concurrency: number;
  readonly timers: Timers;
  readonly logger: Logger;
  write(key: string, value: V): Promise<void>;
}

/**
 * Writes values to a store in the background: one write per key at a time, and of the values that wait for it only the
 * latest. After a failure nothing is written for 5 s, then the latest values. A value that the store refuses holds up no
 * other, and is written again after a minute. An outage is logged once.
 */
export class LatestWrites<V> {
  readonly #pending = new Map<string, V>();
  readonly #writing = new Set<string>();
  /** Refused by the store, and not replaced since. */
  readonly #refused = new Map<string, V>();
  #retry: Timer | undefined;
  #retryRefused: Timer | undefined;
  /** Incremented by {@link forget}; a write that began earlier is not repeated. */
  #epoch = 0;

  constructor(private readonly options: LatestWritesOptions<V>) {}

  put(key: string, value: V): void {
    this.#refused.delete(key);
    this.#pending.set(key, value);
    this.#proceed();
  }

  /** Drops what waits to be written. */
  forget(): void {
    this.#epoch++;
    this.#pending.clear();
    this.#refused.clear();
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#retryRefused?.cancel();
    this.#retryRefused = undefined;
  }

  #proceed(): void {
    const { concurrency, what, logger, timers } = this.options;
    if (this.#retry) return;
    for (const [key, value] of this.#pending) {
      if (this.#writing.size >= concurrency) return;
      if (this.#writing.has(key)) continue;
      this.#pending.delete(key);
      this.#writing.add(key);
      background(logger, `saving of ${what}`, () => this.#write(key, value), timers);
    }
  }

  async #write(key: string, value: V): Promise<void> {
    const epoch = this.#epoch;
    try {
      await this.options.write(key, value);
    } catch (error) {
      if (epoch === this.#epoch) this.#again(key, value, error);
      throw error;
    } finally {
      this.#writing.delete(key);
      this.#proceed();
    }
  }

  #again(key: string, value: V, error: unknown): void {
    if (error instanceof QueryFault) {
      if (!this.#pending.has(key)) this.#refuse(key, value);
      return;
    }
    if (!this.#pending.has(key)) this.#pending.set(key, value);
    this.#retry ??= this.options.timers.after(RETRY_MS, () => {
      this.#retry = undefined;
      this.#proceed();
    });
  }

  #refuse(key: string, value: V): void {
    this.#refused.set(key, value);
    this.#retryRefused ??= this.options.timers.after(REFUSED_RETRY_MS, () => {
      this.#retryRefused = undefined;
      const refused = [...this.#refused];
      this.#refused.clear();
      for (const [refusedKey, again] of refused) this.#pending.set(refusedKey, again);
      this.#proceed();
    });
  }
}
