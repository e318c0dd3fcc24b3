import { Writable } from 'node:stream';
import { StatsD } from 'hot-shots';
import type { Metrics } from '../../ports/metrics.ts';
import type { Sink, SinkOptions } from './sink.ts';
import { TcpSink } from './tcp-sink.ts';
import { UdpSink } from './udp-sink.ts';

export interface StatsdOptions extends SinkOptions {
  readonly protocol: 'udp' | 'tcp';
  /** Before every name, with a dot after it; '' for none. */
  readonly prefix: string;
  /** Tags in the form of Telegraf, as `name,tag=value:1|h`, instead of that of Datadog. */
  readonly telegraf: boolean;
  /** The part of measurements that is sent; gauges always are. */
  readonly sampleRate: number;
  /** On every metric, `name:value`. */
  readonly tags: readonly string[];
}

export interface ClusterGauges {
  /** AORs with a live binding. */
  readonly users: number;
  /** Active ones. */
  readonly featureServers: number;
  readonly rtpServers: number;
}

/** Lines are collected for this long, milliseconds, and up to this size: a datagram that no network has to split. */
const FLUSH_INTERVAL_MS = 1_000;
const MAX_BYTES = { udp: 1_432, tcp: 8_192 } as const;

/**
 * Sends metrics to a statsd server under the names that the platform's dashboards know. Times are whole milliseconds. A
 * server that is away costs the metrics of that time, and nothing else.
 */
export class StatsdMetrics implements Metrics {
  readonly #client: StatsD;
  readonly #sink: Sink;

  constructor(private readonly options: StatsdOptions) {
    const { protocol, prefix, telegraf, sampleRate, tags } = options;
    const sink = protocol === 'tcp' ? new TcpSink(options) : new UdpSink(options);
    this.#sink = sink;
    this.#client = new StatsD({
      // hot-shots' own sockets buffer without a bound when the server does not read.
      protocol: 'stream',
      stream: new Writable({
        write(lines: Buffer, _encoding, done) {
          sink.send(lines);
          done();
        },
      }),
      prefix,
      telegraf,
      globalTags: [...tags],
      maxBufferSize: MAX_BYTES[protocol],
      bufferFlushInterval: FLUSH_INTERVAL_MS,
      ...(sampleRate > 0 && { sampleRate }),
    });
  }

  registerAnswered({ status, isCached, ms }: Parameters<Metrics['registerAnswered']>[0]): void {
    this.#time(`sbc.registration.${isCached ? 'cached' : 'total'}.response_time`, ms, [`status:${status}`]);
  }

  registerStep(): void {}

  webhookAnswered(_result: string, status: number, ms: number): void {
    this.#time('app.hook.response_time', ms, ['hook_type:auth', `status:${status}`]);
  }

  clusterCounted({ users, featureServers, rtpServers }: ClusterGauges): void {
    this.#gauge('sbc.users.count', users);
    this.#gauge('featureservers', featureServers);
    this.#gauge('rtpservers', rtpServers);
  }

  /** Sends what waits, if the server takes it within a second. */
  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.#client.close(() => resolve()));
    await this.#sink.stop();
  }

  #time(name: string, ms: number, tags: string[]): void {
    if (this.options.sampleRate > 0) this.#client.histogram(name, Math.round(ms), tags);
  }

  #gauge(name: string, value: number): void {
    // Without a rate of its own it would have that of the client.
    this.#client.gauge(name, value, 1);
  }
}
