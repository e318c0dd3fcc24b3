import type { Logger } from '../../lib/logger.ts';
import type { Timer, Timers } from '../../lib/timers.ts';

/** Where the lines of statsd go. Neither method ever throws. */
export interface Sink {
  /** Sends lines, or drops them when the server does not take them. */
  send(lines: Buffer): void;
  /** Sends what waits, for at most a second, and closes. */
  stop(): Promise<void>;
}

export interface SinkOptions {
  /** Name or address. */
  readonly host: string;
  readonly port: number;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** First and longest pause before another connection, milliseconds. */
export const RETRY_MS = { first: 1_000, longest: 10_000 } as const;
/** How long a server must work without a failure before it counts as back. */
const STABLE_MS = 5_000;

/** Logs one line when a statsd server is lost, and one when it is back. */
export class SinkHealth {
  #downSince: number | undefined;
  #recovery: Timer | undefined;

  constructor(private readonly options: SinkOptions) {}

  failed(why: string): void {
    const { host, port, timers, logger } = this.options;
    this.#recovery?.cancel();
    this.#recovery = undefined;
    if (this.#downSince !== undefined) return;
    this.#downSince = timers.monotonic();
    logger.warn(
      { dependency: 'statsd', address: `${host}:${port}`, why, affects: 'metrics are dropped' },
      'statsd does not answer',
    );
  }

  /** The server has taken something. */
  worked(): void {
    if (this.#downSince !== undefined) this.#recovery ??= this.options.timers.after(STABLE_MS, () => this.#recovered());
  }

  stop(): void {
    this.#recovery?.cancel();
  }

  #recovered(): void {
    const { host, port, timers, logger } = this.options;
    const seconds = Math.round((timers.monotonic() - (this.#downSince ?? 0)) / 1000);
    this.#downSince = undefined;
    this.#recovery = undefined;
    logger.info({ dependency: 'statsd', address: `${host}:${port}`, seconds }, 'statsd answers again');
  }
}
