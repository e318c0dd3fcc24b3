import type { ProcessFigures } from './process-figures.ts';
import { type Count, largest, OTHER, type Snapshot } from './snapshot.ts';

/** A value and its labels, in the order of {@link SampledMetric.labels}. */
type Sample = readonly [value: number, ...labels: string[]];

/** A metric whose values are read from a state `S` at a scrape. */
export interface SampledMetric<S> {
  /** Without the prefix, unless it is one that all Prometheus clients have. */
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  readonly labels?: readonly string[];
  /** Series without a value are left out. */
  read(state: S): readonly Sample[];
}

/** Carriers with series of their own. */
const MAX_CARRIERS = 50;

const READINESS = ['ready', 'degraded', 'not ready'] as const;

export const SAMPLED: readonly SampledMetric<Snapshot>[] = [
  gaugeBy(['state'], 'readiness', '1 for the present state: ready, degraded or not ready', ({ readiness }) =>
    READINESS.map((state) => [state === readiness ? 1 : 0, state]),
  ),
  gaugeBy(['dependency'], 'dependency_up', 'Whether a dependency answers', ({ dependencies }) =>
    dependencies.map(({ role, state }) => [state === 'up' ? 1 : 0, role]),
  ),
  gaugeBy(
    ['dependency'],
    'dependency_state_start_timestamp_seconds',
    'When the present state of a dependency began, since the epoch',
    ({ dependencies }) => dependencies.map(({ role, since }) => [since / 1000, role]),
  ),
  gauge('sip_connected', 'Whether the SIP server listens, or drachtio is connected', ({ sipConnected }) =>
    Number(sipConnected),
  ),

  gaugeBy(
    ['realm'],
    'aors',
    'AORs with a live binding in the cluster, by realm; the largest realms have series of their own',
    ({ aors }) => (aors ?? []).map(([realm, count]) => [count, realm]),
  ),
  gauge('realms', 'Realms with a live binding in the cluster', ({ realms }) => realms),
  gaugeBy(
    ['state'],
    'feature_servers',
    'Feature servers of the cluster that check in',
    ({ featureServers: servers }) =>
      servers
        ? [
            [servers.active, 'active'],
            [servers.drained, 'drained'],
          ]
        : [],
  ),
  gauge('rtp_servers', 'Active RTP servers of the cluster', ({ rtpServers }) => rtpServers),

  gauge('lease_held', 'Whether this sidecar registers at carriers for the cluster', ({ leaseHeld }) =>
    Number(leaseHeld),
  ),
  gaugeBy(
    ['carrier', 'state'],
    'trunks',
    'Registrations at carriers that this sidecar keeps, by state; the carriers with most of them have series of their own',
    ({ trunks }) => trunksBy(trunks),
  ),
  gaugeBy(['state'], 'gateways', 'Gateways of carriers that this sidecar pings, by state', ({ gateways }) =>
    (['up', 'down', 'unknown'] as const).map((state) => [gateways.filter((one) => one.state === state).length, state]),
  ),

  gauge('webhooks_down', 'Accounts whose webhook is down and not called', ({ webhooksDown }) => webhooksDown),
  gauge('banned_sources', 'Sources that are banned now', ({ abuse }) => abuse.bans),
  gauge(
    'scored_sources',
    'Sources with a score of at least 1, banned ones excepted',
    ({ abuse }) => abuse.scoredSources,
  ),
  gauge('score_max', 'Highest score of a source; a ban begins at JAMBONES_BAN_THRESHOLD', ({ abuse }) =>
    round(abuse.highestScore),
  ),
  gauge(
    'closed_aors',
    'AORs under attack, which answers from unknown sources are refused for',
    ({ abuse }) => abuse.closedAors,
  ),
  gauge('alerts_waiting', 'Alerts that wait for InfluxDB', ({ alerts }) => alerts?.waiting),
  counter('alerts_dropped_total', 'Alerts dropped because too many waited', ({ alerts }) => alerts?.dropped),
  counterBy(
    ['work'],
    'background_failures_total',
    'Turns of work in the background that failed',
    ({ backgroundFailures }) => [...backgroundFailures].map(([work, count]) => [count, work]),
  ),

  gauge('edge_connections', 'Open connections of phones and carriers', ({ edge }) => edge?.connections),
  gauge(
    'edge_requests_in_progress',
    'Requests over connections without a final response',
    ({ edge }) => edge?.requestsUnderWay,
  ),
  gauge('edge_kept_bytes', 'Bytes of messages and responses that the edge keeps', ({ edge }) => edge?.keptBytes),
  gaugeBy(['side'], 'edge_transactions', 'Transactions, those that wait for retransmissions included', ({ edge }) =>
    edge
      ? [
          [edge.serverTransactions, 'server'],
          [edge.clientTransactions, 'client'],
        ]
      : [],
  ),
  counter('edge_requests_total', 'Requests received, retransmissions included', ({ edge }) => edge?.requests),
  counter('edge_retransmissions_total', 'Requests received again', ({ edge }) => edge?.retransmissions),
  counter('edge_responses_total', 'Responses received', ({ edge }) => edge?.responses),
  counter('edge_malformed_total', 'Malformed messages received, refused or dropped', ({ edge }) => edge?.malformed),
  counter(
    'edge_refused_total',
    'Requests and malformed messages that the edge itself refused',
    ({ edge }) => edge?.refused,
  ),
  counterBy(['cause'], 'edge_dropped_total', 'Messages and connections discarded without a response', ({ edge }) =>
    edge ? [[edge.banned, 'banned source'], ...Array.from(edge.drops, ([cause, count]): Sample => [count, cause])] : [],
  ),
];

/** The metrics that every Prometheus client has, which dashboards expect by these names. */
export const PROCESS: readonly SampledMetric<ProcessFigures>[] = [
  counter('process_cpu_seconds_total', 'CPU time, user and system', (figures) => figures.cpuSeconds),
  gauge('process_resident_memory_bytes', 'Resident memory', (figures) => figures.residentBytes),
  gauge('process_open_fds', 'Open file descriptors', (figures) => figures.openFds),
  gauge('process_max_fds', 'Limit of open file descriptors', (figures) => figures.maxFds),
];

function gauge<S>(name: string, help: string, read: (state: S) => number | undefined): SampledMetric<S> {
  return { name, help, type: 'gauge', read: (state) => present(read(state)) };
}

function counter<S>(name: string, help: string, read: (state: S) => number | undefined): SampledMetric<S> {
  return { ...gauge(name, help, read), type: 'counter' };
}

function gaugeBy<S>(
  labels: readonly string[],
  name: string,
  help: string,
  read: (state: S) => readonly Sample[],
): SampledMetric<S> {
  return { name, help, type: 'gauge', labels, read };
}

function counterBy<S>(
  labels: readonly string[],
  name: string,
  help: string,
  read: (state: S) => readonly Sample[],
): SampledMetric<S> {
  return { ...gaugeBy(labels, name, help, read), type: 'counter' };
}

/** In one pass: there may be ten thousand. */
function trunksBy(trunks: Snapshot['trunks']): Sample[] {
  const byCarrier = new Map<string, Map<string, number>>();
  for (const { carrier, state } of trunks) {
    const states = byCarrier.get(carrier) ?? new Map<string, number>();
    states.set(state, (states.get(state) ?? 0) + 1);
    byCarrier.set(carrier, states);
  }
  const sizes = Array.from(byCarrier, ([carrier, states]): Count => [carrier, sum(states.values())]);
  const named = new Set(largest(sizes, MAX_CARRIERS).map(([carrier]) => carrier));
  const others = new Map<string, number>();
  for (const [carrier, states] of byCarrier) {
    if (named.has(carrier)) continue;
    for (const [state, count] of states) others.set(state, (others.get(state) ?? 0) + count);
    byCarrier.delete(carrier);
  }
  if (others.size > 0) byCarrier.set(OTHER, others);
  return [...byCarrier].flatMap(([carrier, states]) => Array.from(states, ([state, n]): Sample => [n, carrier, state]));
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}

function present(value: number | undefined): Sample[] {
  return value === undefined ? [] : [[value]];
}

function round(score: number): number {
  return Math.round(score * 10) / 10;
}
