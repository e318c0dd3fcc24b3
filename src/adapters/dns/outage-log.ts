import type { Logger } from '../../lib/logger.ts';
import type { Clock } from '../../lib/timers.ts';

/** An outage that has not ended is logged again after this long, ms: the names it began with may no longer be used. */
const REPEAT_MS = 3_600_000;

/** Logs when the DNS fails and when it answers anything again: one line each, however many names are concerned. */
export class OutageLog {
  /** When the outage was logged; undefined when there is none. */
  #loggedAt: number | undefined;

  constructor(
    private readonly logger: Logger,
    private readonly clock: Clock,
  ) {}

  failed(name: string, why: string): void {
    const now = this.clock.now();
    const isNews = this.#loggedAt === undefined || now - this.#loggedAt >= REPEAT_MS;
    if (isNews) this.#loggedAt = now;
    this.logger[isNews ? 'warn' : 'debug']({ name, why }, 'DNS does not answer, what it said last serves on');
  }

  answered(name: string): void {
    if (this.#loggedAt === undefined) return;
    this.#loggedAt = undefined;
    this.logger.info({ name }, 'DNS answers again');
  }
}
