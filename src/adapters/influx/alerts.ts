import { OncePer } from '../../lib/once-per.ts';
import type { Clock } from '../../lib/timers.ts';
import type { Alert, Alerts, SystemAlert, SystemAlerts } from '../../ports/alerts.ts';
import { alertPoint, type PointTimes, pointTimes, systemAlertPoint } from './points.ts';
import type { PointWriter } from './writer.ts';

/** Minimum interval between equal alerts, milliseconds: an intruder must not fill the database. */
const REPEAT_MS = 1_000;

export interface InfluxAlertsOptions {
  readonly writer: Pick<PointWriter, 'add'>;
  /** Name of this host. */
  readonly host: string;
  readonly clock: Clock;
  /** Of [0, 1). */
  readonly random: () => number;
}

/** Saves alerts in InfluxDB, where the platform reads them. */
export class InfluxAlerts implements Alerts, SystemAlerts {
  readonly #due: OncePer;
  readonly #times: PointTimes;

  constructor(private readonly options: InfluxAlertsOptions) {
    this.#due = new OncePer(REPEAT_MS, options.clock);
    this.#times = pointTimes(options.clock, options.random);
  }

  raise(alert: Alert): void {
    if (this.#due.isDue(JSON.stringify(alert))) this.options.writer.add(alertPoint(alert, this.#times()));
  }

  report(alert: SystemAlert): void {
    const { writer, host } = this.options;
    writer.add(systemAlertPoint(alert, host, this.#times()));
  }
}
