import { QueryFault } from '../ports/errors.ts';
import { background } from './background.ts';
import type { Logger } from './logger.ts';
import type { Timer, Timers } from './timers.ts';

const RETRY_MS = 5_000;
/** A value that the store refuses may be taken later, as when its memory was full. */
const REFUSED_MS = 30_000;

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
 * latest. In an outage nothing is written for 5 s, then the latest values. A value that the store refuses holds up nothing,
 * and is tried again every 30 s.
 */
export class LatestWrites<V> {
  readonly #pending = new Map<string, V>();
  readonly #writing = new Set<string>();
  /** Set in an outage. */
  #retry: Timer | undefined;
  readonly #refused = new Map<string, V>();
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
      if (epoch === this.#epoch && !this.#pending.has(key)) this.#writeLater(key, value, error);
      if (epoch === this.#epoch && !(error instanceof QueryFault)) this.#pause();
      throw error;
    } finally {
      this.#writing.delete(key);
      this.#proceed();
    }
  }

  #writeLater(key: string, value: V, error: unknown): void {
    if (!(error instanceof QueryFault)) {
      this.#pending.set(key, value);
      return;
    }
    this.#refused.set(key, value);
    this.#retryRefused ??= this.options.timers.after(REFUSED_MS, () => {
      this.#retryRefused = undefined;
      for (const [key, value] of this.#refused) this.#pending.set(key, value);
      this.#refused.clear();
      this.#proceed();
    });
  }

  #pause(): void {
    this.#retry ??= this.options.timers.after(RETRY_MS, () => {
      this.#retry = undefined;
      this.#proceed();
    });
  }
}
