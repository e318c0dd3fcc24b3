import { LRUCache } from 'lru-cache';
import type { Alert, Alerts, Clock, Logger } from '../../ports.ts';

/** The same alert of the same account is written once in this long, milliseconds: phones try again every few seconds. */
const REPEAT_MS = 60_000;
const MAX_REMEMBERED = 10_000;

/** Alerts as warnings in the log. */
export class LogAlerts implements Alerts {
  readonly #raised = new LRUCache<string, number>({ max: MAX_REMEMBERED });

  constructor(
    private readonly logger: Logger,
    private readonly clock: Clock,
  ) {}

  raise(alert: Alert): void {
    const now = this.clock.now();
    const name = `${alert.accountSid} ${alert.type} ${alert.message}`;
    if (now - (this.#raised.get(name) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return;
    this.#raised.set(name, now);
    this.logger.warn({ alert }, 'alert');
  }
}
