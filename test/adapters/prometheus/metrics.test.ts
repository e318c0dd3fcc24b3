import { describe, expect, test } from 'bun:test';
import { PrometheusMetrics } from '../../../src/adapters/prometheus/metrics.ts';
import { largest, type Snapshot } from '../../../src/adapters/prometheus/snapshot.ts';

const EDGE = {
  connections: 3,
  requestsUnderWay: 1,
  keptBytes: 4096,
  serverTransactions: 7,
  clientTransactions: 2,
  requests: 100,
  retransmissions: 10,
  refused: 5,
  responses: 8,
  malformed: 4,
  banned: 9,
  drops: new Map([['handshake', 6]]),
};

const SNAPSHOT: Snapshot = {
  readiness: 'degraded',
  dependencies: [
    { role: 'store', state: 'up', since: 1_000 },
    { role: 'database', state: 'down', since: 2_500 },
  ],
  sipConnected: true,
  edge: EDGE,
  aors: [['a.example.com', 5]],
  realms: 1,
  featureServers: { active: 2, drained: 1 },
  rtpServers: 4,
  leaseHeld: true,
  trunks: [],
  gateways: [{ state: 'up' }, { state: 'up' }, { state: 'down' }],
  webhooksDown: 1,
  abuse: { bans: 2, scoredSources: 3, highestScore: 249.96, closedAors: 1 },
  alerts: { waiting: 3, dropped: 1 },
  backgroundFailures: new Map([['exchange of bans', 2]]),
};

function create() {
  const metrics = new PrometheusMetrics({ version: '1.2.3', commit: 'abc', built: '2026-05-04', startedAt: 1_500 });
  const scrape = async (changes: Partial<Snapshot> = {}) => {
    const text = await metrics.scrape(() => ({ ...SNAPSHOT, ...changes }));
    return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  };
  return { metrics, scrape };
}

describe('what is measured', () => {
  test('counts registrations by result and reason, with their latency in seconds', async () => {
    const { metrics, scrape } = create();
    const answer = { result: 'registered', reason: '', status: 200, isCached: false } as const;
    metrics.registerAnswered({ ...answer, ms: 4 });
    metrics.registerAnswered({ ...answer, ms: 6 });
    metrics.registerAnswered({ ...answer, result: 'refused', reason: 'UnknownUser', status: 403, ms: 100 });
    metrics.registerStep('lookup', 2);
    const lines = await scrape();
    expect(lines).toContain('sbc_sidecar_registrations_total{result="registered",reason=""} 2');
    expect(lines).toContain('sbc_sidecar_registrations_total{result="refused",reason="UnknownUser"} 1');
    expect(lines).toContain('sbc_sidecar_registration_duration_seconds_bucket{le="0.005",result="registered"} 1');
    expect(lines).toContain('sbc_sidecar_registration_duration_seconds_bucket{le="0.01",result="registered"} 2');
    expect(lines).toContain('sbc_sidecar_registration_duration_seconds_sum{result="registered"} 0.01');
    expect(lines).toContain('sbc_sidecar_registration_step_duration_seconds_count{step="lookup"} 1');
  });

  test('counts registrations from zero on, so that none at all is seen', async () => {
    const lines = await create().scrape();
    for (const result of ['registered', 'refreshed', 'unregistered', 'queried'])
      expect(lines).toContain(`sbc_sidecar_registrations_total{result="${result}",reason=""} 0`);
  });

  test('counts webhook calls by the class of their status', async () => {
    const { metrics, scrape } = create();
    metrics.webhookAnswered('granted', 200, 20);
    metrics.webhookAnswered('failed', 503, 20);
    metrics.webhookAnswered('failed', 599, 20);
    metrics.webhookAnswered('failed', 0, 5_000);
    expect((await scrape()).filter((line) => line.includes('webhook_requests_total'))).toEqual([
      'sbc_sidecar_webhook_requests_total{result="granted",status="2xx"} 1',
      'sbc_sidecar_webhook_requests_total{result="failed",status="5xx"} 2',
      'sbc_sidecar_webhook_requests_total{result="failed",status="none"} 1',
    ]);
  });

  test('counts bans from zero on, and measures dependencies and the event loop', async () => {
    const { metrics, scrape } = create();
    expect(await scrape()).toContain('sbc_sidecar_bans_total 0');
    metrics.sourceBanned();
    metrics.dependencyAnswered('database', 3);
    metrics.eventLoopDelayed(12);
    const lines = await scrape();
    expect(lines).toContain('sbc_sidecar_bans_total 1');
    expect(lines).toContain('sbc_sidecar_dependency_answer_duration_seconds_sum{dependency="database"} 0.003');
    expect(lines).toContain('sbc_sidecar_event_loop_delay_seconds_bucket{le="0.025"} 1');
  });
});

describe('what is read at a scrape', () => {
  test('is the present state', async () => {
    const lines = await create().scrape();
    for (const line of [
      `sbc_sidecar_build_info{version="1.2.3",commit="abc",built="2026-05-04",bun="${Bun.version}"} 1`,
      'process_start_time_seconds 1.5',
      'sbc_sidecar_readiness{state="ready"} 0',
      'sbc_sidecar_readiness{state="degraded"} 1',
      'sbc_sidecar_dependency_up{dependency="store"} 1',
      'sbc_sidecar_dependency_up{dependency="database"} 0',
      'sbc_sidecar_dependency_state_start_timestamp_seconds{dependency="database"} 2.5',
      'sbc_sidecar_aors{realm="a.example.com"} 5',
      'sbc_sidecar_feature_servers{state="active"} 2',
      'sbc_sidecar_feature_servers{state="drained"} 1',
      'sbc_sidecar_rtp_servers 4',
      'sbc_sidecar_lease_held 1',
      'sbc_sidecar_gateways{state="up"} 2',
      'sbc_sidecar_gateways{state="unknown"} 0',
      'sbc_sidecar_webhooks_down 1',
      'sbc_sidecar_banned_sources 2',
      'sbc_sidecar_score_max 250',
      'sbc_sidecar_closed_aors 1',
      'sbc_sidecar_background_failures_total{work="exchange of bans"} 2',
      'sbc_sidecar_alerts_waiting 3',
      'sbc_sidecar_alerts_dropped_total 1',
      'sbc_sidecar_edge_connections 3',
      'sbc_sidecar_edge_transactions{side="client"} 2',
      'sbc_sidecar_edge_requests_total 100',
      'sbc_sidecar_edge_dropped_total{cause="banned source"} 9',
      'sbc_sidecar_edge_dropped_total{cause="handshake"} 6',
    ])
      expect(lines).toContain(line);
    const names = lines.map((line) => line.split(/[{ ]/)[0]);
    for (const name of [
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'process_open_fds',
      'process_max_fds',
    ])
      expect(names).toContain(name);
  });

  test('replaces what was there before: counters do not add up, series that are gone do not stay', async () => {
    const { scrape } = create();
    await scrape({ aors: [['gone.example.com', 1]] });
    const lines = await scrape({ edge: { ...EDGE, requests: 101 }, aors: [['b.example.com', 2]] });
    expect(lines).toContain('sbc_sidecar_edge_requests_total 101');
    expect(lines.filter((line) => line.includes('_aors{'))).toEqual(['sbc_sidecar_aors{realm="b.example.com"} 2']);
  });

  test('has no series for what is unknown: no edge with drachtio, no alerts without InfluxDB, no counts without a store', async () => {
    const { scrape } = create();
    await scrape();
    const unknown = {
      alerts: undefined,
      edge: undefined,
      aors: undefined,
      realms: undefined,
      featureServers: undefined,
      rtpServers: undefined,
    };
    expect((await scrape(unknown)).filter((line) => /edge|alerts|aors{|realms|_servers/.test(line))).toEqual([]);
  });

  test('escapes labels', async () => {
    const lines = await create().scrape({ aors: [['a"b\\c\nd', 1]] });
    expect(lines).toContain('sbc_sidecar_aors{realm="a\\"b\\\\c\\nd"} 1');
  });

  test('names the fifty carriers with most trunks, and counts the others together', async () => {
    const trunks = Array.from({ length: 60 }, (_, i) => [
      { carrier: `c${i}`, state: 'registered' },
      { carrier: `c${i}`, state: i < 30 ? 'registered' : 'waiting to retry' },
      ...(i < 50 ? [{ carrier: `c${i}`, state: 'registered' }] : []),
    ]).flat();
    const lines = (await create().scrape({ trunks })).filter((line) => line.includes('sidecar_trunks'));
    expect(lines).toContain('sbc_sidecar_trunks{carrier="c0",state="registered"} 3');
    expect(lines).toContain('sbc_sidecar_trunks{carrier="c49",state="waiting to retry"} 1');
    expect(lines).toContain('sbc_sidecar_trunks{carrier="other",state="registered"} 10');
    expect(lines).toContain('sbc_sidecar_trunks{carrier="other",state="waiting to retry"} 10');
    expect(new Set(lines.map((line) => line.split('"')[1])).size).toBe(51);
  });
});

test('scrapes at the same time share one reading', async () => {
  const { metrics } = create();
  let readings = 0;
  const snapshot = () => {
    readings++;
    return SNAPSHOT;
  };
  const [first, second] = await Promise.all([metrics.scrape(snapshot), metrics.scrape(snapshot)]);
  expect(first).toBe(second);
  expect(readings).toBe(1);
  await metrics.scrape(snapshot);
  expect(readings).toBe(2);
});

test('the largest counts are kept, the others added up', () => {
  expect(
    largest(
      [
        ['a', 1],
        ['b', 3],
        ['c', 2],
        ['d', 0],
      ],
      2,
    ),
  ).toEqual([
    ['b', 3],
    ['c', 2],
    ['other', 1],
  ]);
  expect(
    largest(
      [
        ['a', 1],
        ['b', 3],
      ],
      2,
    ),
  ).toEqual([
    ['b', 3],
    ['a', 1],
  ]);
  expect(largest([], 2)).toEqual([]);
});
