import { background } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timer, Timers } from '../lib/timers.ts';
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
  readonly #checking = new Set<ServerKind>();

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
    for (const kind of KINDS) background(logger, `removal of silent ${kind} servers`, () => this.#check(kind), timers);
  }

  /** Skips a kind whose last check is still in progress. */
  async #check(kind: ServerKind): Promise<void> {
    if (this.#checking.has(kind)) return;
    this.#checking.add(kind);
    const { pool, timers, expiresMs, logger } = this.options;
    const now = timers.now();
    // Servers could not check in while no sidecar was running, so each has `expiresMs` from our start.
    const silentMs = now - this.#startedAt < expiresMs ? now : expiresMs;
    try {
      for (const member of await pool.expire(kind, silentMs))
        logger.warn({ member, silentMs: expiresMs }, `${kind} server silent, taken out`);
    } finally {
      this.#checking.delete(kind);
    }
  }
}
