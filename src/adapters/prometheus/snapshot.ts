/** The sidecar's state at the moment of a scrape. What a store cannot tell now is undefined. */
export interface Snapshot {
  readonly readiness: 'ready' | 'degraded' | 'not ready';
  readonly dependencies: readonly {
    /** `sip`, `store`, `database`, `database writer`, `alerts`. */
    readonly role: string;
    readonly state: 'unknown' | 'up' | 'down';
    /** Milliseconds since the epoch. */
    readonly since: number;
  }[];
  readonly sipConnected: boolean;
  /** undefined with a drachtio server. */
  readonly edge: EdgeFigures | undefined;
  /** AORs with a live binding in the whole cluster, by realm: some named realms, and the others together. */
  readonly aors: readonly Count[] | undefined;
  readonly realms: number | undefined;
  readonly featureServers: { readonly active: number; readonly drained: number } | undefined;
  readonly rtpServers: number | undefined;
  readonly leaseHeld: boolean;
  readonly trunks: readonly { readonly carrier: string; readonly state: string }[];
  readonly gateways: readonly { readonly state: 'up' | 'down' | 'unknown' }[];
  /** Accounts whose webhook is down. */
  readonly webhooksDown: number;
  readonly abuse: {
    readonly bans: number;
    readonly scoredSources: number;
    readonly highestScore: number;
    readonly closedAors: number;
  };
  /** Points for InfluxDB; undefined where alerts only go to the log. */
  readonly alerts: { readonly waiting: number; readonly dropped: number } | undefined;
  /** Name of the work → failures since the start. */
  readonly backgroundFailures: ReadonlyMap<string, number>;
}

export type Count = readonly [label: string, count: number];

/** Gauges, then counters since the start; see `edge/options.ts`. */
interface EdgeFigures {
  readonly connections: number;
  readonly requestsUnderWay: number;
  readonly keptBytes: number;
  readonly serverTransactions: number;
  readonly clientTransactions: number;
  readonly requests: number;
  readonly retransmissions: number;
  readonly refused: number;
  readonly responses: number;
  readonly malformed: number;
  readonly banned: number;
  /** Cause → messages and connections discarded without a response. */
  readonly drops: ReadonlyMap<string, number>;
}

/** The label of what has no series of its own. */
export const OTHER = 'other';

/** The largest counts, and the sum of the others as `other`: a bound on the number of series. */
export function largest(counts: Iterable<Count>, max: number): Count[] {
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  const rest = sorted.slice(max).reduce((sum, [, count]) => sum + count, 0);
  return rest > 0 ? [...sorted.slice(0, max), [OTHER, rest]] : sorted;
}
