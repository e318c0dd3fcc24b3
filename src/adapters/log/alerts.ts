import type { Logger } from '../../lib/logger.ts';
import { OncePer } from '../../lib/once-per.ts';
import type { Clock } from '../../lib/timers.ts';
import type { Alert, Alerts, SystemAlert, SystemAlerts } from '../../ports/alerts.ts';

/** Minimum interval between equal alerts of one account, ms: phones retry every few seconds. */
const REPEAT_MS = 60_000;

/** Writes alerts to the log: those to customers as warnings. */
export class LogAlerts implements Alerts, SystemAlerts {
  readonly #due: OncePer;

  constructor(
    private readonly logger: Logger,
    clock: Clock,
  ) {
    this.#due = new OncePer(REPEAT_MS, clock);
  }

  raise(alert: Alert): void {
    if (this.#due.isDue(`${alert.accountSid} ${alert.type} ${alert.message}`)) this.logger.warn({ alert }, 'alert');
  }

  report(systemAlert: SystemAlert): void {
    this.logger.info({ systemAlert }, 'system alert');
  }
}
