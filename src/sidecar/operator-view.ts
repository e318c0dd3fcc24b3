import { type BansView, type OutboundView, Refused } from '../admin/actions.ts';
import type { DependencyRow, GatewayRow, Leadership, Status, TrunkRow } from '../admin/protocol.ts';
import type { Config } from '../config/index.ts';
import type { Edge } from '../edge/index.ts';
import type { GatewayHealth } from '../gateways/watched-gateway.ts';
import type { Dependency } from '../lib/dependency.ts';
import type { Clock } from '../lib/timers.ts';
import { VERSION } from '../lib/version.ts';
import { DependencyError } from '../ports/errors.ts';
import type { Lease } from '../ports/lease.ts';
import type { ServerPool } from '../ports/server-pool.ts';
import type { SipServer } from '../ports/sip-server.ts';
import type { TrunkRegistrationView } from '../regbot/registration-context.ts';
import type { AlertSinks } from './alerts.ts';
import type { Outbound } from './outbound.ts';
import { type Phase, type Readiness, readinessOf } from './readiness.ts';
import type { Stores } from './stores.ts';

export interface OutboundState {
  readonly leader: Pick<Outbound['leader'], 'mayAct'>;
  readonly fleet: Pick<Outbound['fleet'], 'snapshot' | 'skipped' | 'refreshNow'>;
  readonly pinger: Pick<Outbound['pinger'], 'snapshot'>;
  /** Identifies this sidecar as holder of the lease. */
  readonly token: string;
}

/** Trunks and gateways as an operator sees them. */
export function outboundView(outbound: OutboundState, lease: Lease, clock: Clock): OutboundView {
  const leadership = () => leadershipOf(outbound, lease);
  return {
    trunks: async () => ({
      trunks: outbound.fleet.snapshot().map(trunkRow),
      skipped: outbound.fleet.skipped().map((one) => ({ ...one, gateway: one.gateway ?? null })),
      now: clock.now(),
      ...(await leadership()),
    }),
    async trunk(gateway) {
      const found = outbound.fleet.snapshot().find((trunk) => trunk.gateway === gateway);
      if (!found) throw new Refused(await unknownTrunk(gateway, leadership));
      return { trunk: trunkRow(found), now: clock.now() };
    },
    async refresh(gateway) {
      const refreshed = await outbound.fleet.refreshNow(gateway);
      if (refreshed !== 'done') throw new Refused(await unknownTrunk(gateway, leadership));
      return gateway === undefined ? 'carriers read again' : `registering at ${gateway} now`;
    },
    gateways: async () => ({
      gateways: outbound.pinger.snapshot().map(gatewayRow),
      now: clock.now(),
      ...(await leadership()),
    }),
  };
}

async function outboundCounts(outbound: OutboundState, lease: Lease): Promise<Status['outbound']> {
  const trunks = outbound.fleet.snapshot();
  const gateways = outbound.pinger.snapshot();
  const count = (state: GatewayHealth['state']) => gateways.filter((g) => g.state === state).length;
  return {
    ...(await leadershipOf(outbound, lease)),
    trunks: {
      total: trunks.length,
      registered: trunks.filter((t) => t.state === 'registered' || t.state === 'refreshing').length,
    },
    gateways: { up: count('up'), down: count('down'), unknown: count('unknown') },
  };
}

async function leadershipOf(outbound: OutboundState, lease: Lease): Promise<Leadership> {
  const leading = outbound.leader.mayAct();
  try {
    const holder = (await lease.holder()) ?? null;
    // Holding the lease, we wait a moment before we act: until then no sidecar leads.
    return { leading, holder: holder === outbound.token && !leading ? null : holder };
  } catch (error) {
    if (!(error instanceof DependencyError)) throw error;
    return { leading, holder: null };
  }
}

async function unknownTrunk(gateway: string | undefined, leadership: () => Promise<Leadership>): Promise<string> {
  const { leading, holder } = await leadership();
  if (leading) return `Unknown trunk: ${gateway}`;
  return holder === null ? 'no sidecar registers at carriers now' : `another sidecar registers at carriers: ${holder}`;
}

function trunkRow({ port, expiresAt, lastReason, nextTryAt, ...rest }: TrunkRegistrationView): TrunkRow {
  return {
    ...rest,
    port: port ?? null,
    expiresAt: expiresAt ?? null,
    lastReason: lastReason ?? null,
    nextTryAt: nextTryAt === undefined ? null : Math.round(nextTryAt),
  };
}

function gatewayRow(health: GatewayHealth): GatewayRow {
  const { gateway, state, since, lastAnswer, lastAnswerAt, rttMs, notPinged } = health;
  return {
    carrier: gateway.carrierName,
    gateway: gateway.gatewaySid,
    host: gateway.host,
    port: gateway.port ?? null,
    transport: gateway.transport,
    state,
    since: since ?? null,
    lastAnswer: notPinged ?? lastAnswer ?? null,
    lastAnswerAt: lastAnswerAt ?? null,
    rttMs: rttMs ?? null,
  };
}

export interface Lifetime {
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  phase: Phase;
}

export interface StatusSources {
  readonly config: Config;
  readonly lifetime: Lifetime;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly sip: SipServer;
  readonly edge: Edge | undefined;
  readonly outbound: Outbound;
  readonly abuse: Pick<BansView, 'bans'>;
  readonly alerts: Pick<AlertSinks, 'dependency' | 'points'>;
  /** Whether the SIP server answers. */
  readonly sipServer: Dependency;
  readonly stores: Pick<Stores, 'pool' | 'lease' | 'store' | 'database' | 'databaseWriter'>;
}

/** Whether phones should be sent here now. */
export function readinessNow({
  lifetime,
  sipServer,
  stores,
}: Pick<StatusSources, 'lifetime' | 'sipServer' | 'stores'>): Readiness {
  const { store, database } = stores;
  return readinessOf(lifetime.phase, { sip: sipServer.health, store: store.health, database: database.health });
}

/** The answer to `status`. Never throws: what a store cannot tell now is null. */
export async function statusOf(sources: StatusSources): Promise<Status> {
  const { config, lifetime, now, sip, edge, outbound, abuse, alerts, stores } = sources;
  const readiness = readinessNow(sources);
  return {
    version: VERSION,
    pid: process.pid,
    startedAt: lifetime.startedAt,
    now,
    ready: readiness.state !== 'not ready',
    readiness: readiness.state,
    notReadyBecause: readiness.why ?? null,
    dependencies: dependencyRows(sources),
    sip: {
      server: config.parts.sip === 'edge' ? 'embedded' : 'drachtio',
      connected: sip.connected,
      hostports: sip.hostports,
    },
    edge: edge ? { ...edge.holding, ...edge.counters } : null,
    store: config.parts.store,
    directory: config.parts.directory,
    clusterId: config.platform.clusterId,
    ...(await serverCounts(stores.pool)),
    bans: abuse.bans().length,
    alerts: alerts.points ? { waiting: alerts.points.waiting, dropped: alerts.points.dropped } : null,
    outbound: await outboundCounts(outbound, stores.lease),
  };
}

function dependencyRows({ sipServer, stores, alerts }: StatusSources): DependencyRow[] {
  const row = (role: DependencyRow['role'], { health: { why, ...health } }: Dependency): DependencyRow => ({
    role,
    ...health,
    why: why ?? null,
  });
  return [
    row('sip', sipServer),
    row('store', stores.store),
    row('database', stores.database),
    ...(stores.databaseWriter ? [row('database writer', stores.databaseWriter)] : []),
    ...(alerts.dependency ? [row('alerts', alerts.dependency)] : []),
  ];
}

async function serverCounts(pool: ServerPool): Promise<Pick<Status, 'featureServers' | 'rtpServers'>> {
  try {
    const [{ servers, drained }, rtpServers] = await Promise.all([pool.featureServers(), pool.rtpServers()]);
    return { featureServers: { active: servers.filter((s) => s.active).length, drained: drained.length }, rtpServers };
  } catch (error) {
    if (!(error instanceof DependencyError)) throw error;
    return { featureServers: null, rtpServers: null };
  }
}
