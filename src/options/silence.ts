import { background } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import { Unavailable } from '../ports/errors.ts';
import type { ServerKind, ServerPool } from '../ports/server-pool.ts';

export interface SilenceOptions {
  readonly pool: ServerPool;
  /** Silence after which a server is taken out, milliseconds. */
  readonly expiresMs: number;
  /** How often to look, milliseconds. */
  readonly checkMs: number;
  readonly timers: Timers;
  readonly logger: Logger;
}

const KINDS: readonly ServerKind[] = ['feature', 'rtp'];

/** Takes feature and RTP servers that have fallen silent out of their pools. */
export class SilenceWatch {
  #timer: Timer | undefined;
  #startedAt = 0;
  #looking = false;

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
    background(logger, 'removal of silent servers', () => this.look());
  }

  /** One round of what {@link start} repeats; a round that is still under way is not joined by another. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const { pool, timers, expiresMs, logger } = this.options;
    const now = timers.now();
    // While no sidecar was up nobody could hear them: each has one interval from our start to show up.
    const silentMs = now - this.#startedAt < expiresMs ? now : expiresMs;
    try {
      for (const kind of KINDS)
        for (const member of await pool.expire(kind, silentMs))
          logger.warn({ member, silentMs: expiresMs }, `${kind} server silent, taken out`);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      logger.warn({ why: error.message }, 'silent servers stay for now');
    } finally {
      this.#looking = false;
    }
  }
}
