import type { PrometheusMetrics } from '../adapters/prometheus/metrics.ts';
import type { StatsdMetrics } from '../adapters/statsd/metrics.ts';
import type { Config } from '../config/index.ts';
import type { Logger } from '../lib/logger.ts';
import { systemClock, systemTimers } from '../lib/timers.ts';
import { BUILT, COMMIT, VERSION } from '../lib/version.ts';
import type { RecentFigures } from '../ops/recent-figures.ts';
import { type Metrics, NO_METRICS } from '../ports/metrics.ts';

/** Where measurements go: to Prometheus and the status page, to statsd, to all or none of them. */
export interface Measuring {
  readonly metrics: Metrics;
  readonly prometheus: PrometheusMetrics | undefined;
  /** For the status page. */
  readonly recent: RecentFigures | undefined;
  readonly statsd: StatsdMetrics | undefined;
  stop(): Promise<void>;
}

/** Loads what is configured and nothing else. @param startedAt milliseconds since the epoch */
export async function openMeasuring(config: Config, startedAt: number, logger: Logger): Promise<Measuring> {
  const isHttpOn = config.http.port !== 0;
  const prometheus = isHttpOn ? await openPrometheus(startedAt) : undefined;
  const recent = isHttpOn ? await openRecentFigures() : undefined;
  const statsd = config.statsd.on ? await openStatsd(config.statsd, logger) : undefined;
  const metrics = [prometheus, recent, statsd].filter((one) => one !== undefined);
  return { metrics: all(metrics), prometheus, recent, statsd, stop: async () => statsd?.stop() };
}

async function openPrometheus(startedAt: number): Promise<PrometheusMetrics> {
  const { PrometheusMetrics } = await import('../adapters/prometheus/metrics.ts');
  return new PrometheusMetrics({ version: VERSION, commit: COMMIT, built: BUILT, startedAt });
}

async function openRecentFigures(): Promise<RecentFigures> {
  const { RecentFigures } = await import('../ops/recent-figures.ts');
  return new RecentFigures(systemClock);
}

async function openStatsd({ on: _, ...config }: Config['statsd'], logger: Logger): Promise<StatsdMetrics> {
  const { StatsdMetrics } = await import('../adapters/statsd/metrics.ts');
  return new StatsdMetrics({ ...config, timers: systemTimers, logger });
}

function all(metrics: readonly Metrics[]): Metrics {
  const [only] = metrics;
  if (metrics.length < 2) return only ?? NO_METRICS;
  return {
    registerAnswered(answer) {
      for (const each of metrics) each.registerAnswered(answer);
    },
    registerStep(step, ms) {
      for (const each of metrics) each.registerStep(step, ms);
    },
    webhookAnswered(result, status, ms) {
      for (const each of metrics) each.webhookAnswered(result, status, ms);
    },
  };
}
