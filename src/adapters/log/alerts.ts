import type { Alert, Alerts, Clock, Logger } from '../../ports.ts';
import { Repeats } from '../../repeats.ts';

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
