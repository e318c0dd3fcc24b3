import { background } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import { Unavailable } from '../ports/errors.ts';
import type { ServerKind, ServerPool } from '../ports/server-pool.ts';

export interface SilenceOptions {
  readonly pool: ServerPool;
  /** Time without a check-in after which a server is removed. */
  readonly expiresMs: number;
  readonly checkMs: number;
  readonly timers: Timers;
  readonly logger: Logger;
}

const KINDS: readonly ServerKind[] = ['feature', 'rtp'];

/** Removes feature and RTP servers that no longer check in from their pools. */
export class SilenceWatch {
  #timer: Timer | undefined;
  #startedAt = 0;
  #checking = false;

  constructor(private readonly options: SilenceOptions) {}

  start(): void {
    this.#startedAt = this.options.timers.now();
    this.#round();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #round(): void {
    const { timers, checkMs, logger } = this.options;
    this.#timer = timers.after(checkMs, () => this.#round());
    background(logger, 'removal of silent servers', () => this.check());
  }

  /** Checks once, unless a check is still in progress. */
  async check(): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    const { pool, timers, expiresMs, logger } = this.options;
    const now = timers.now();
    // Servers could not check in while no sidecar was running, so each has `expiresMs` from our start.
    const silentMs = now - this.#startedAt < expiresMs ? now : expiresMs;
    try {
      for (const kind of KINDS)
        for (const member of await pool.expire(kind, silentMs))
          logger.warn({ member, silentMs: expiresMs }, `${kind} server silent, taken out`);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      logger.warn({ why: error.message }, 'silent servers stay for now');
    } finally {
      this.#checking = false;
    }
  }
}
