import type { Config } from '../../config/index.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Timers } from '../../lib/timers.ts';
import { InfluxAlerts } from './alerts.ts';
import { InfluxClient } from './client.ts';
import { PointWriter } from './writer.ts';

interface InfluxOptions {
  /** Name of this host. */
  readonly host: string;
  readonly timers: Timers;
  /** Of [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
}

/** Alerts in InfluxDB, and what writes them. Connects to nothing before the writer's dependency is started. */
export function openInflux(config: Config['alerts'], { host, timers, random, logger }: InfluxOptions) {
  const writer = new PointWriter({ client: new InfluxClient(config, timers), timers, logger });
  return { writer, alerts: new InfluxAlerts({ writer, host, clock: timers, random }) };
}
