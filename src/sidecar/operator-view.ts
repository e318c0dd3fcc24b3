import { type OutboundView, Refused } from '../admin/actions.ts';
import type { GatewayRow, Leadership, Status, TrunkRow } from '../admin/protocol.ts';
import type { GatewayHealth } from '../gateways/watched-gateway.ts';
import type { Clock } from '../lib/timers.ts';
import { Unavailable } from '../ports/errors.ts';
import type { Lease } from '../ports/lease.ts';
import type { TrunkRegistrationView } from '../regbot/trunk-registration.ts';
import type { Outbound } from './outbound.ts';

/** What an operator sees of the outbound side. @param outbound undefined before it was started */
export function outboundView(outbound: () => Outbound | undefined, lease: Lease, clock: Clock): OutboundView {
  const leadership = () => leadershipOf(outbound(), lease);
  return {
    trunks: async () => ({
      trunks: outbound()?.fleet.snapshot().map(trunkRow) ?? [],
      skipped:
        outbound()
          ?.fleet.skipped()
          .map(({ carrier, gateway, why }) => ({ carrier, gateway, why })) ?? [],
      now: clock.now(),
      ...(await leadership()),
    }),
    async trunk(gateway) {
      const found = outbound()
        ?.fleet.snapshot()
        .find((trunk) => trunk.gateway === gateway);
      if (!found) throw new Refused(await unknownTrunk(gateway, leadership));
      return { trunk: trunkRow(found), now: clock.now() };
    },
    async refresh(gateway) {
      const refreshed = (await outbound()?.fleet.refreshNow(gateway)) ?? 'not leading';
      if (refreshed !== 'done') throw new Refused(await unknownTrunk(gateway, leadership));
      return gateway === undefined ? 'carriers read again' : `registering at ${gateway} now`;
    },
    gateways: async () => ({
      gateways: outbound()?.pinger.snapshot().map(gatewayRow) ?? [],
      now: clock.now(),
      ...(await leadership()),
    }),
  };
}

/** The counts of `status`. */
export async function outboundCounts(outbound: Outbound | undefined, lease: Lease): Promise<Status['outbound']> {
  const trunks = outbound?.fleet.snapshot() ?? [];
  const gateways = outbound?.pinger.snapshot() ?? [];
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

async function leadershipOf(outbound: Outbound | undefined, lease: Lease): Promise<Leadership> {
  const leading = outbound?.leader.mayAct() ?? false;
  try {
    const holder = (await lease.holder()) ?? null;
    // A moment passes between taking the lease and acting on it: until then nobody does.
    return { leading, holder: holder === outbound?.token && !leading ? null : holder };
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
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
    // Timers count fractions.
    nextTryAt: nextTryAt === undefined ? null : Math.round(nextTryAt),
  };
}

function gatewayRow(health: GatewayHealth): GatewayRow {
  const { gateway, state, since, lastAnswer, lastAnswerAt, rttMs, lastError } = health;
  return {
    carrier: gateway.carrierName,
    gateway: gateway.gatewaySid,
    host: gateway.host,
    port: gateway.port ?? null,
    transport: gateway.transport,
    state,
    since: since ?? null,
    // What keeps us from asking it is all there is to show of one that never answered.
    lastAnswer: lastAnswer ?? lastError ?? null,
    lastAnswerAt: lastAnswerAt ?? null,
    rttMs: rttMs ?? null,
  };
}
