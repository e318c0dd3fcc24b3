import { QueryFault } from '../ports/errors.ts';
import { background } from './background.ts';
import type { Logger } from './logger.ts';
import type { Timer, Timers } from './timers.ts';

const RETRY_MS = 5_000;

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
 * latest. After a failure nothing is written for 5 s, then the latest values; a value that the store refuses is dropped.
 * An outage is logged once.
 */
export class LatestWrites<V> {
  readonly #pending = new Map<string, V>();
  readonly #writing = new Set<string>();
  #retry: Timer | undefined;
  /** Incremented by {@link forget}; a write that began earlier is not repeated. */
  #epoch = 0;

  constructor(private readonly options: LatestWritesOptions<V>) {}

  put(key: string, value: V): void {
    this.#pending.set(key, value);
    this.#proceed();
  }

  /** Drops what waits to be written. */
  forget(): void {
    this.#epoch++;
    this.#pending.clear();
    this.#retry?.cancel();
    this.#retry = undefined;
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
      if (epoch === this.#epoch && !(error instanceof QueryFault)) this.#writeLater(key, value);
      throw error;
    } finally {
      this.#writing.delete(key);
      this.#proceed();
    }
  }

  #writeLater(key: string, value: V): void {
    if (!this.#pending.has(key)) this.#pending.set(key, value);
    this.#retry ??= this.options.timers.after(RETRY_MS, () => {
      this.#retry = undefined;
      this.#proceed();
    });
  }
}
