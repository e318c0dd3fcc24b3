import type { Logger } from '../../lib/logger.ts';
import { Repeats } from '../../lib/once-per.ts';
import type { Clock } from '../../lib/timers.ts';
import type { Alert, Alerts } from '../../ports/alerts.ts';

/** The same alert of the same account is written once in this long, milliseconds: phones try again every few seconds. */
const REPEAT_MS = 60_000;

/** Alerts as warnings in the log. */
export class LogAlerts implements Alerts {
  readonly #repeats: Repeats;

  constructor(
    private readonly logger: Logger,
    clock: Clock,
  ) {
    this.#repeats = new Repeats(REPEAT_MS, clock);
  }

  raise(alert: Alert): void {
    if (this.#repeats.isDue(`${alert.accountSid} ${alert.type} ${alert.message}`)) this.logger.warn({ alert }, 'alert');
  }
}
