import { type BansView, type OutboundView, Refused } from '../admin/actions.ts';
import type { DependencyRow, GatewayRow, Leadership, Status, TrunkRow, VariableRow } from '../admin/protocol.ts';
import { HIDDEN } from '../config/effective.ts';
import type { Config } from '../config/index.ts';
import { VARIABLES } from '../config/variables.ts';
import type { Edge } from '../edge/index.ts';
import type { GatewayHealth } from '../gateways/watched-gateway.ts';
import type { Dependency } from '../lib/dependency.ts';
import { didYouMean } from '../lib/nearest.ts';
import type { Clock } from '../lib/timers.ts';
import { VERSION } from '../lib/version.ts';
import { DependencyError } from '../ports/errors.ts';
import type { Lease } from '../ports/lease.ts';
import type { ServerPool } from '../ports/server-pool.ts';
import type { SipServer } from '../ports/sip-server.ts';
import type { TrunkRegistrationView } from '../regbot/registration-context.ts';
import type { AlertSinks } from './alerts.ts';
import { findTrunk } from './find-trunk.ts';
import type { Outbound } from './outbound.ts';
import type { Phase, Readiness } from './readiness.ts';
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
    async trunk(name) {
      const found = findTrunk(name, outbound.fleet.snapshot());
      if (!found) throw new Refused(await unknownTrunk(name, outbound, leadership));
      return { trunk: trunkRow(found), now: clock.now() };
    },
    async refresh(name) {
      const { fleet } = outbound;
      const gateway = name === undefined ? undefined : (await newestTrunk(name, fleet))?.gateway;
      const isUnknown = name !== undefined && gateway === undefined;
      if (isUnknown || (await fleet.refreshNow(gateway)) !== 'done')
        throw new Refused(await unknownTrunk(name, outbound, leadership));
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

/** Reads the carriers when there is no such trunk: it may be a new one. */
async function newestTrunk(name: string, fleet: OutboundState['fleet']): Promise<TrunkRegistrationView | undefined> {
  const known = findTrunk(name, fleet.snapshot());
  if (known) return known;
  await fleet.refreshNow();
  return findTrunk(name, fleet.snapshot());
}

async function unknownTrunk(
  name = '',
  { fleet }: OutboundState,
  leadership: () => Promise<Leadership>,
): Promise<string> {
  const { leading, holder } = await leadership();
  if (leading) {
    const skipped = findTrunk(
      name,
      fleet.skipped().map((one) => ({ ...one, gateway: one.gateway ?? '' })),
    );
    if (skipped) return `${skipped.carrier} is not registered: ${skipped.why}`;
    const carriers = fleet.snapshot().map(({ carrier }) => carrier);
    return `Unknown trunk: ${name}${didYouMean(name, carriers)}`;
  }
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
  readonly readiness: () => Readiness;
  readonly sip: SipServer;
  readonly edge: Edge | undefined;
  readonly outbound: Outbound;
  readonly abuse: Pick<BansView, 'bans'>;
  readonly alerts: Pick<AlertSinks, 'dependency' | 'points'>;
  /** Whether the SIP server answers. */
  readonly sipServer: Dependency;
  readonly stores: Pick<Stores, 'pool' | 'lease' | 'registrations' | 'store' | 'database' | 'databaseWriter'>;
}

/** What `status` and probes say of readiness. Waits for nothing. */
export function readinessView(
  sources: Pick<StatusSources, 'readiness' | 'sipServer' | 'alerts' | 'stores' | 'now'>,
): Pick<Status, 'ready' | 'readiness' | 'notReadyBecause' | 'dependencies' | 'now'> {
  const { sipServer, alerts, stores, now } = sources;
  const readiness = sources.readiness();
  return {
    ready: readiness.state !== 'not ready',
    readiness: readiness.state,
    notReadyBecause: readiness.why ?? null,
    dependencies: dependenciesOf(stores, sipServer, alerts).map(({ role, dependency }) =>
      dependencyRow(role, dependency),
    ),
    now,
  };
}

/** The answer to `status`. Never throws: what a store cannot tell now is null. */
export async function statusOf(sources: StatusSources): Promise<Status> {
  const { config, lifetime, sip, edge, outbound, abuse, alerts, stores } = sources;
  const [servers, aors] = await Promise.all([serverCounts(stores.pool), registeredAors(stores.registrations)]);
  return {
    version: VERSION,
    pid: process.pid,
    startedAt: lifetime.startedAt,
    ...readinessView(sources),
    sip: {
      server: config.parts.sip === 'edge' ? 'embedded' : 'drachtio',
      connected: sip.connected,
      hostports: sip.hostports,
    },
    edge: edge ? { ...edge.holding, ...edge.counters } : null,
    store: config.parts.store,
    directory: config.parts.directory,
    clusterId: config.platform.clusterId,
    ...servers,
    registeredAors: aors,
    bans: abuse.bans().length,
    alerts: alerts.points ? { waiting: alerts.points.waiting, dropped: alerts.points.dropped } : null,
    outbound: await outboundCounts(outbound, stores.lease),
  };
}

/** Every dependency with its role, in the order in which they are shown. */
export function dependenciesOf(
  { store, database, databaseWriter }: Pick<Stores, 'store' | 'database' | 'databaseWriter'>,
  sipServer: Dependency,
  alerts: Pick<AlertSinks, 'dependency'>,
): { readonly role: DependencyRow['role']; readonly dependency: Dependency }[] {
  return [
    { role: 'sip', dependency: sipServer },
    { role: 'store', dependency: store },
    { role: 'database', dependency: database },
    ...(databaseWriter ? [{ role: 'database writer' as const, dependency: databaseWriter }] : []),
    ...(alerts.dependency ? [{ role: 'alerts' as const, dependency: alerts.dependency }] : []),
  ];
}

function dependencyRow(role: DependencyRow['role'], { health: { why, ...health } }: Dependency): DependencyRow {
  return { role, ...health, why: why ?? null };
}

async function registeredAors(registrations: Stores['registrations']): Promise<number | null> {
  try {
    return await registrations.countAors();
  } catch (error) {
    if (!(error instanceof DependencyError)) throw error;
    return null;
  }
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

/** The configuration in effect. @param logLevel may have been changed since the start */
export function variablesOf(config: Config, logLevel: string): readonly VariableRow[] {
  const { encryption } = VARIABLES.secrets;
  return config.variables.map((variable): VariableRow => {
    if (variable.name === VARIABLES.platform.logLevel.name && logLevel !== config.platform.logLevel)
      return { ...variable, value: logLevel, from: 'set' };
    if (variable.name === encryption.name && config.encryptionSecret === undefined)
      return { ...variable, value: HIDDEN, from: 'file' };
    return variable;
  });
}
