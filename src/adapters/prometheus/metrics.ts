import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Metrics, RegisterResult } from '../../ports/metrics.ts';
import { type ProcessFigures, processFigures } from './process-figures.ts';
import { PROCESS, SAMPLED, type SampledMetric } from './sampled.ts';
import type { Snapshot } from './snapshot.ts';

/** Before the names of all metrics but those of the process. */
const PREFIX = 'sbc_sidecar_';

/** Seconds. A refresh takes 1 ms, a slow webhook several seconds. */
const LATENCY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const DELAY_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

const GRANTED: readonly RegisterResult[] = ['registered', 'refreshed', 'unregistered', 'queried'];

export interface BuildInfo {
  readonly version: string;
  /** '' in an unbuilt run. */
  readonly commit: string;
  /** Day of the commit. */
  readonly built: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

/** Keeps metrics and writes them in Prometheus' text format. A measurement takes some 0.2 µs. */
export class PrometheusMetrics implements Metrics {
  readonly #registry = new Registry();
  readonly #sampled: readonly ((snapshot: Snapshot) => void)[];
  readonly #process: readonly ((figures: ProcessFigures) => void)[];
  readonly #registrations = this.#counter(`${PREFIX}registrations_total`, 'REGISTER requests answered', [
    'result',
    'reason',
  ]);
  readonly #duration = this.#histogram(
    `${PREFIX}registration_duration_seconds`,
    'Time from a REGISTER to its response; refusals of a wrong password are held back for 0.1 s',
    ['result'],
  );
  readonly #steps = this.#histogram(`${PREFIX}registration_step_duration_seconds`, 'Time of one step of a REGISTER', [
    'step',
  ]);
  readonly #webhooks = this.#counter(`${PREFIX}webhook_requests_total`, 'Webhook calls that have ended', [
    'result',
    'status',
  ]);
  readonly #webhookDuration = this.#histogram(`${PREFIX}webhook_duration_seconds`, 'Time of a webhook call', [
    'result',
  ]);
  readonly #answers = this.#histogram(
    `${PREFIX}dependency_answer_duration_seconds`,
    'Time of a probe of a dependency, or of a question to a database',
    ['dependency'],
  );
  readonly #bans = this.#counter(`${PREFIX}bans_total`, 'Sources banned', []);
  readonly #loop = this.#histogram(`${PREFIX}event_loop_delay_seconds`, 'Lateness of a timer', [], DELAY_BUCKETS);
  #scraping: Promise<string> | undefined;

  constructor(build: BuildInfo) {
    const { version, commit, built, startedAt } = build;
    const info = this.#gauge(`${PREFIX}build_info`, 'Always 1', ['version', 'commit', 'built', 'bun']);
    info.labels(version, commit, built, Bun.version).set(1);
    this.#gauge('process_start_time_seconds', 'When the process started, since the epoch', []).set(startedAt / 1000);
    this.#sampled = SAMPLED.map((metric) => this.#sampling(metric, PREFIX + metric.name));
    this.#process = PROCESS.map((metric) => this.#sampling(metric, metric.name));
    // A series that exists from the start has a rate from its first event on, and before it.
    this.#bans.inc(0);
    for (const result of GRANTED) this.#registrations.inc({ result, reason: '' }, 0);
  }

  registerAnswered({ result, reason, ms }: Parameters<Metrics['registerAnswered']>[0]): void {
    this.#registrations.inc({ result, reason });
    this.#duration.observe({ result }, ms / 1000);
  }

  registerStep(step: string, ms: number): void {
    this.#steps.observe({ step }, ms / 1000);
  }

  webhookAnswered(result: string, status: number, ms: number): void {
    this.#webhooks.inc({ result, status: statusClass(status) });
    this.#webhookDuration.observe({ result }, ms / 1000);
  }

  /** A dependency has answered, or failed to. @param role `store`, `database` … */
  dependencyAnswered(role: string, ms: number): void {
    this.#answers.observe({ dependency: role }, ms / 1000);
  }

  sourceBanned(): void {
    this.#bans.inc();
  }

  eventLoopDelayed(ms: number): void {
    this.#loop.observe(ms / 1000);
  }

  /**
   * All metrics. Scrapes at the same time share one answer.
   * @param snapshot of the present state; waits for nothing
   */
  scrape(snapshot: () => Snapshot): Promise<string> {
    this.#scraping ??= this.#read(snapshot()).finally(() => {
      this.#scraping = undefined;
    });
    return this.#scraping;
  }

  async #read(snapshot: Snapshot): Promise<string> {
    for (const sample of this.#sampled) sample(snapshot);
    const figures = processFigures();
    for (const sample of this.#process) sample(figures);
    return this.#registry.metrics();
  }

  /** @returns a function that replaces the values of a metric */
  #sampling<S>({ type, help, labels = [], read }: SampledMetric<S>, name: string): (state: S) => void {
    const metric = type === 'gauge' ? this.#gauge(name, help, labels) : this.#counter(name, help, labels);
    return (state) => {
      metric.reset();
      // Otherwise a metric without labels would be 0 where there is no value.
      if (labels.length === 0) metric.remove();
      for (const [value, ...values] of read(state)) metric.labels(...values).inc(value);
    };
  }

  #gauge(name: string, help: string, labels: readonly string[]): Gauge {
    return new Gauge({ name, help, labelNames: [...labels], registers: [this.#registry] });
  }

  #counter(name: string, help: string, labels: readonly string[]): Counter {
    return new Counter({ name, help, labelNames: [...labels], registers: [this.#registry] });
  }

  #histogram(name: string, help: string, labels: readonly string[], buckets = LATENCY_BUCKETS): Histogram {
    return new Histogram({ name, help, labelNames: [...labels], buckets, registers: [this.#registry] });
  }
}

/** `2xx`; `none` without a response. */
function statusClass(status: number): string {
  return status === 0 ? 'none' : `${Math.floor(status / 100)}xx`;
}
