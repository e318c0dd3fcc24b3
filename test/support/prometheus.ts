import { join } from 'node:path';
import * as v from 'valibot';
import { onCleanup, removeTemporaryDirectory, temporaryDirectory } from './cleanup.ts';
import { freePort } from './net.ts';
import { spawnProcess } from './process.ts';

const HOST = '127.0.0.1';
const START_DEADLINE_MS = 30_000;
const QUERY_DEADLINE_MS = 10_000;

const answer = v.object({
  data: v.object({
    result: v.array(
      v.object({
        metric: v.record(v.string(), v.string()),
        value: v.tuple([v.number(), v.pipe(v.string(), v.transform(Number))]),
      }),
    ),
  }),
});

interface PrometheusSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface PrometheusOptions {
  /** `host:port` of what it scrapes every second. */
  readonly targets: readonly string[];
  readonly job: string;
  /** Of each target. */
  readonly labels: Readonly<Record<string, string>>;
  /** Path of a file with rules. */
  readonly rules: string;
}

export interface PrometheusServer {
  /** The present result of a query. @throws Error with the answer when the query is not valid */
  query(expr: string): Promise<readonly PrometheusSample[]>;
}

/** Starts Prometheus on a free port of 127.0.0.1. Resolves when it answers queries. */
export async function startPrometheus({ targets, job, labels, rules }: PrometheusOptions): Promise<PrometheusServer> {
  const directory = temporaryDirectory('prometheus');
  const config = join(directory, 'prometheus.yml');
  const settings = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [rules],
    scrape_configs: [{ job_name: job, static_configs: [{ targets, labels }] }],
  };
  // JSON is YAML.
  await Bun.write(config, JSON.stringify(settings));
  const port = await freePort();
  const server = spawnProcess('prometheus', [
    `--config.file=${config}`,
    `--storage.tsdb.path=${join(directory, 'data')}`,
    `--web.listen-address=${HOST}:${port}`,
  ]);
  onCleanup(async () => {
    server.kill('SIGKILL');
    await server.exited;
    removeTemporaryDirectory(directory);
  });
  await server.line(/ready to receive web requests/, START_DEADLINE_MS);
  return {
    async query(expr) {
      const url = `http://${HOST}:${port}/api/v1/query?${new URLSearchParams({ query: expr })}`;
      const response = await fetch(url, { signal: AbortSignal.timeout(QUERY_DEADLINE_MS) });
      const body = await response.text();
      if (!response.ok) throw new Error(`${expr}: ${body}`);
      return v
        .parse(answer, JSON.parse(body))
        .data.result.map(({ metric, value }) => ({ labels: metric, value: value[1] }));
    },
  };
}
