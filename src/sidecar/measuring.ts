import type { PrometheusMetrics } from '../adapters/prometheus/metrics.ts';
import type { StatsdMetrics } from '../adapters/statsd/metrics.ts';
import type { Config } from '../config/index.ts';
import type { Logger } from '../lib/logger.ts';
import { systemTimers } from '../lib/timers.ts';
import { COMMIT, VERSION } from '../lib/version.ts';
import { type Metrics, NO_METRICS } from '../ports/metrics.ts';

/** Where measurements go: to Prometheus, statsd, both or neither. */
export interface Measuring {
  readonly metrics: Metrics;
  readonly prometheus: PrometheusMetrics | undefined;
  readonly statsd: StatsdMetrics | undefined;
  stop(): Promise<void>;
}

/** Loads what is configured and nothing else. @param startedAt milliseconds since the epoch */
export async function openMeasuring(config: Config, startedAt: number, logger: Logger): Promise<Measuring> {
  const prometheus = config.http.port === 0 ? undefined : await openPrometheus(startedAt);
  const statsd = config.statsd.on ? await openStatsd(config.statsd, logger) : undefined;
  return { metrics: both(prometheus, statsd), prometheus, statsd, stop: async () => statsd?.stop() };
}

async function openPrometheus(startedAt: number): Promise<PrometheusMetrics> {
  const { PrometheusMetrics } = await import('../adapters/prometheus/metrics.ts');
  return new PrometheusMetrics({ version: VERSION, commit: COMMIT, startedAt });
}

async function openStatsd({ on: _, ...config }: Config['statsd'], logger: Logger): Promise<StatsdMetrics> {
  const { StatsdMetrics } = await import('../adapters/statsd/metrics.ts');
  return new StatsdMetrics({ ...config, timers: systemTimers, logger });
}

function both(first: Metrics | undefined, second: Metrics | undefined): Metrics {
  if (!first || !second) return first ?? second ?? NO_METRICS;
  return {
    registerAnswered(answer) {
      first.registerAnswered(answer);
      second.registerAnswered(answer);
    },
    registerStep(step, ms) {
      first.registerStep(step, ms);
      second.registerStep(step, ms);
    },
    webhookAnswered(result, status, ms) {
      first.webhookAnswered(result, status, ms);
      second.webhookAnswered(result, status, ms);
    },
  };
}
