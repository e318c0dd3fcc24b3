import { beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { TABLE } from '../../src/regbot/states.ts';
import { pathOf, type Query, queriesOfAlerts, queriesOfDashboard } from '../docs/monitoring-files.ts';
import { temporaryDirectory } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/net.ts';
import { Phone } from '../support/phone.ts';
import { spawnProcess } from '../support/process.ts';
import { type PrometheusServer, startPrometheus } from '../support/prometheus.ts';
import { startRedis } from '../support/redis.ts';
import { fileWith, type RunningSidecar, startEmbedded } from './sidecar.ts';

const REALM = 'watched.example.com';
const HOOKED = 'hooked.example.com';
const PASSWORD = 'wonderland';
/** Labels that Prometheus adds to what it scrapes; `cluster` as in docs/monitoring/prometheus.yml. */
const ADDED = ['job', 'instance', 'cluster'];
const CLUSTER = 'test';
const JOB = 'sbc-sip-sidecar';
/** What comes with the load, and a moment after. */
const SERIES = ['banned_sources 1', 'webhooks_down 1', 'aors{', 'background_failures_total{', 'gateways{', 'trunks{'];
/** Of a rate: a few scrapes. */
const RATE_INTERVAL = '5s';

let sidecar: RunningSidecar;
let target: string;
let prometheus: PrometheusServer;

/** A sidecar with some of everything: nothing answers at its carrier, its webhook and its InfluxDB. */
beforeAll(async () => {
  const [http, carrier, webhook, influx] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const redis = await startRedis();
  // The exchange of bans needs another type of key, and fails every second.
  await redis.client.set('sidecar:default:bans', 'of no use');
  const args = ['--provision', await fileWith('accounts.toml', accounts({ carrier, webhook }))];
  const env = {
    HTTP_PORT: String(http),
    // So that phones, which are at 127.0.0.0/8, may be banned.
    JAMBONES_NETWORK_CIDR: '10.0.0.0/8',
    SEND_OPTIONS_PING_INTERVAL: '1',
    JAMBONES_REDIS_HOST: redis.host,
    JAMBONES_REDIS_PORT: String(redis.port),
    JAMBONES_TIME_SERIES_HOST: '127.0.0.1',
    JAMBONES_TIME_SERIES_PORT: String(influx),
  };
  // AORs are counted at the start and then every 10 s: one is registered before.
  sidecar = await startEmbedded({ args, env });
  await load();
  await sidecar.stop();
  sidecar = await startEmbedded({ args, env });
  target = `127.0.0.1:${http}`;
  const labels = { cluster: CLUSTER };
  prometheus = await startPrometheus({ targets: [target], job: JOB, labels, rules: pathOf('alerts.yml') });
});

function accounts({ carrier, webhook }: { carrier: number; webhook: number }): string {
  return `[[account]]
realm = "${REALM}"
[[account.client]]
username = "alice"
password = "${PASSWORD}"
[[account]]
realm = "${HOOKED}"
[account.webhook]
url = "http://127.0.0.1:${webhook}/register"
[[carrier]]
name = "upstream"
register = { username = "us", password = "${PASSWORD}", realm = "carrier.example.com" }
[[carrier.gateway]]
host = "127.0.0.1"
port = ${carrier}
options_ping = true
`;
}

async function open(user: string, realm: string, address = '127.0.0.1', password = PASSWORD): Promise<Phone> {
  return Phone.open(sidecar.sip, { user, password, realm }, 'udp', { address });
}

/** A registration, a refresh, refusals, calls of the webhook until it is down, and a scanner, which is banned. */
async function load(): Promise<void> {
  using alice = await open('alice', REALM);
  expect((await alice.register()).status).toBe(200);
  expect((await alice.register()).status).toBe(200);
  using guest = await open('mallory', REALM);
  expect((await guest.register()).status).toBe(403);
  using hooked = await open('bob', HOOKED);
  for (let i = 0; i < 6; i++) expect((await hooked.register()).status).toBe(503);
  const scanner = await open('100', REALM, '127.0.0.66');
  // A banned source gets no response.
  scanner.send({ headers: { 'User-Agent': 'friendly-scanner' } }).catch(() => {});
  scanner.close();
}

async function scrape(): Promise<string> {
  return (await fetch(`http://${target}/metrics`)).text();
}

/** Metric → label → its values, as scraped. */
function seriesIn(text: string): Map<string, Map<string, Set<string>>> {
  const series = new Map<string, Map<string, Set<string>>>([['up', new Map()]]);
  for (const [, name = '', labels = ''] of text.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
    const known = series.get(name) ?? new Map<string, Set<string>>();
    series.set(name, known);
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="([^"]*)"/g))
      known.set(label, (known.get(label) ?? new Set()).add(value));
  }
  return series;
}

function selectorsIn(expr: string) {
  return [...expr.matchAll(/\b(sbc_sidecar_\w+|process_\w+|up)\b(?:\{([^}]*)\})?/g)].map(
    ([, metric = '', inside = '']) => ({
      metric,
      matchers: [...inside.matchAll(/(\w+)[=!]~?"([^"]*)"/g)].map(([, label = '', values = '']) => ({
        label,
        values: values.startsWith('$') ? [] : values.split('|'),
      })),
    }),
  );
}

/** What else a label may be, besides the values that are seen. */
async function furtherValues(metric: string, label: string): Promise<string[]> {
  if (metric === 'sbc_sidecar_trunks' && label === 'state') return Object.keys(TABLE);
  if (metric !== 'sbc_sidecar_registrations_total' || label !== 'reason') return [];
  const page = await Bun.file(new URL('../../docs/events.md', import.meta.url)).text();
  return [...page.matchAll(/^\| ((?:`\w+`(?:, )?)+) \| \d{3}/gm)].flatMap(
    ([, names = '']) => names.match(/\w+/g) ?? [],
  );
}

async function unknownIn({ expr, text }: Query, series: ReturnType<typeof seriesIn>): Promise<string[]> {
  const selectors = selectorsIn(expr);
  const unknown = selectors.filter(({ metric }) => !series.has(metric)).map(({ metric }) => metric);
  for (const { metric, matchers } of selectors)
    for (const { label, values } of matchers) {
      if (ADDED.includes(label)) continue;
      const known = series.get(metric)?.get(label);
      if (!known) unknown.push(`${metric}{${label}}`);
      const possible = [...(known ?? []), ...(await furtherValues(metric, label))];
      unknown.push(
        ...values.filter((value) => !possible.includes(value)).map((value) => `${metric}{${label}="${value}"}`),
      );
    }
  const labels = new Set([...ADDED, ...selectors.flatMap(({ metric }) => [...(series.get(metric)?.keys() ?? [])])]);
  const grouped = [...expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, names = '']) => names.split(', '));
  const shown = [...text.matchAll(/\{\{ *(?:\$labels\.)?(\w+)/g)].map(([, name = '']) => name);
  return [...unknown, ...[...grouped, ...shown].filter((name) => !labels.has(name))];
}

describe('with a little load', () => {
  let text: string;
  beforeAll(async () => {
    await load();
    let missing: string[] = [];
    text = await eventually(
      'every kind of series',
      async () => {
        const scraped = await scrape();
        missing = SERIES.filter((part) => !scraped.includes(`\nsbc_sidecar_${part}`));
        return missing.length === 0 ? scraped : undefined;
      },
      { describe: () => missing },
    );
  });

  test('promtool finds no fault in the metrics', async () => {
    const file = join(temporaryDirectory('metrics'), 'metrics');
    await Bun.write(file, text);
    const promtool = spawnProcess('sh', ['-c', `promtool check metrics <'${file}'`]);
    const { code } = await promtool.exited;
    expect({ code, lines: promtool.lines }).toEqual({ code: 0, lines: [] });
  });

  test('every metric and label of the dashboard and of the alerts exists', async () => {
    const series = seriesIn(text);
    for (const query of [...(await queriesOfDashboard()), ...(await queriesOfAlerts())])
      expect([query.by, await unknownIn(query, series)]).toEqual([query.by, []]);
  });

  test('every metric is in a panel', async () => {
    const shown = new Set(
      (await queriesOfDashboard()).flatMap(({ expr }) => selectorsIn(expr)).map(({ metric }) => metric),
    );
    const metrics = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name = '', type]) =>
      type === 'histogram' ? `${name}_bucket` : name,
    );
    expect(metrics.filter((metric) => !shown.has(metric))).toEqual([]);
  });

  test('every panel shows something of what Prometheus has scraped', async () => {
    let isOver = false;
    const loading = (async () => {
      using phone = await open('alice', REALM);
      while (!isOver) {
        await phone.register();
        await load();
      }
    })();
    for (const { by, expr } of await queriesOfDashboard()) {
      if (by === 'Starts') continue;
      const query = expr
        .replaceAll('$__rate_interval', RATE_INTERVAL)
        .replaceAll('$cluster', '.*')
        .replaceAll('$instance', target);
      await eventually(`${by}: ${query}`, async () => {
        const values = (await prometheus.query(query)).map(({ value }) => value);
        return values.some(Number.isFinite) || undefined;
      });
    }
    isOver = true;
    await loading;
  });

  test('alerts begin for what is down', async () => {
    const expected = ['DependencyDown', 'GatewayDown', 'TrunkNotRegistered', 'WebhookDown'];
    let begun: (string | undefined)[] = [];
    await eventually(
      'the alerts',
      async () => {
        begun = (await prometheus.query('ALERTS')).map(({ labels }) => labels.alertname);
        return expected.every((alert) => begun.includes(alert)) || undefined;
      },
      { describe: () => begun },
    );
  });
});
