import { hostname } from 'node:os';
import { LogAlerts } from '../adapters/log/alerts.ts';
import type { Config } from '../config/index.ts';
import type { Dependency } from '../lib/dependency.ts';
import type { Logger } from '../lib/logger.ts';
import { systemTimers } from '../lib/timers.ts';
import type { Alert, Alerts, SystemAlert, SystemAlerts } from '../ports/alerts.ts';

export interface AlertSinks extends Alerts, SystemAlerts {
  /** InfluxDB, if alerts go there. */
  readonly dependency?: Dependency;
  /** Points that wait for InfluxDB, and those dropped since the start. */
  readonly points?: { readonly waiting: number; readonly dropped: number };
  start(): void;
  /** Writes what waits, for at most 3 s. */
  stop(): Promise<void>;
}

/** Alerts go to the log, and to InfluxDB when one is configured. Its client is loaded only then. */
export async function createAlerts({ alerts }: Config, logger: Logger): Promise<AlertSinks> {
  const log = new LogAlerts(logger, systemTimers);
  if (alerts.host === '' || alerts.host === 'none') return logOnly(log);
  const { openInflux } = await import('../adapters/influx/index.ts');
  const influx = openInflux(alerts, { host: hostname(), timers: systemTimers, random: Math.random, logger });
  return {
    dependency: influx.writer.dependency,
    points: influx.writer,
    raise(alert: Alert) {
      log.raise(alert);
      influx.alerts.raise(alert);
    },
    report(alert: SystemAlert) {
      log.report(alert);
      influx.alerts.report(alert);
    },
    start: () => influx.writer.dependency.start(),
    stop: () => influx.writer.stop(),
  };
}

function logOnly(log: LogAlerts): AlertSinks {
  return {
    raise: (alert) => log.raise(alert),
    report: (alert) => log.report(alert),
    start() {},
    async stop() {},
  };
}
