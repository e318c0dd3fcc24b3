import { GatewayPinger, type PingerOptions } from '../../src/gateways/pinger.ts';
import type { Alert } from '../../src/ports/alerts.ts';
import type { Gateway } from '../../src/ports/carriers.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import { NameError } from '../../src/ports/next-hops.ts';
import type { OutboundRequest } from '../../src/ports/sip-server.ts';
import { NO_BODY, type SipResponse } from '../../src/sip/message.ts';
import type { NextHop } from '../../src/sip/next-hop.ts';
import { RecordingLogger } from '../support/logger.ts';
import { ManualTimers } from '../support/timers.ts';

/** How a gateway reacts: its own status, one made by the SIP server, an outage or a fault of that server, or a held response. */
export type Behaviour = number | `local ${number}` | `local ${number}, ${string}` | 'offline' | 'silent' | Error;

export const INTERVAL_MS = 60_000;

export function gateway(n: number, changes: Partial<Gateway> = {}): Gateway {
  return {
    gatewaySid: `gw${n}`,
    carrierSid: `carrier${n}`,
    carrierName: `Carrier ${n}`,
    host: `192.0.2.${n}`,
    transport: 'udp',
    sips: false,
    ...changes,
  };
}

/** A pinger whose ports are in memory. Gateways answer 200 unless `peers` sets another behaviour, by address. */
export function startPinger(changes: Partial<PingerOptions> = {}) {
  const timers = new ManualTimers();
  const logger = new RecordingLogger();
  const alerts: Alert[] = [];
  const peers = new Map<string, Behaviour>();
  const sent: { request: OutboundRequest; at: number; deadlineMs: number }[] = [];
  /** DNS: name → addresses. Other hosts resolve to themselves. */
  const names = new Map<string, readonly string[] | 'offline'>();
  /** The blacklist: sid → TTL in seconds. */
  const listed = new Map<string, number>();
  const writes: string[] = [];
  const disabled: string[] = [];
  const down = { blacklist: false, carriers: false };
  /** Delay writes to the stores, and answers of the DNS. */
  const gate: { blacklist?: Promise<void>; carriers?: Promise<void>; names?: Promise<void> } = {};
  const resolved: [string, number | undefined, string][] = [];
  const reach = { canReach: (_: NextHop) => true };
  /** Complete the pending requests to silent peers. */
  const held: ((status: number) => void)[] = [];
  const flight = { now: 0, most: 0 };

  const response = (status: number, local: boolean, why?: string): SipResponse => ({
    status,
    reason: `Reason ${status}`,
    local,
    ...(why !== undefined && { why }),
    kind: 'response',
    headers: [],
    body: NO_BODY,
  });

  const options: PingerOptions = {
    intervalSeconds: INTERVAL_MS / 1000,
    ttlSeconds: 300,
    failureThreshold: 1,
    removeCodes: [],
    userAgent: 'test/1',
    timers,
    logger,
    random: () => 0.5,
    alerts: { raise: (alert) => void alerts.push(alert) },
    carriers: {
      async disablePing(sid) {
        await gate.carriers;
        if (down.carriers) throw new Unavailable('MySQL', 'gone');
        disabled.push(sid);
      },
    },
    blacklist: {
      async add(sid, ttl) {
        await gate.blacklist;
        if (down.blacklist) throw new Unavailable('Redis', 'gone');
        listed.set(sid, ttl);
        writes.push(`add ${sid}`);
      },
      async remove(sid) {
        if (down.blacklist) throw new Unavailable('Redis', 'gone');
        listed.delete(sid);
        writes.push(`remove ${sid}`);
      },
    },
    nextHops: {
      async resolve(host, port, transport): Promise<readonly NextHop[]> {
        resolved.push([host, port, transport]);
        await gate.names;
        const addresses = names.get(host) ?? [host];
        if (addresses === 'offline') throw new Unavailable('DNS', 'no answer');
        if (addresses.length === 0) throw new NameError(`${host} has no address`);
        return addresses.map((address) => ({ address, port: port ?? 5060, transport }));
      },
    },
    sip: {
      hostports: 'udp/203.0.113.9:5060,tls/203.0.113.9:5061,udp/[2001:db8:9::9]:5060',
      canReach: (hop) => reach.canReach(hop),
      async request(request, deadlineMs) {
        sent.push({ request, at: timers.now(), deadlineMs });
        const behaviour = peers.get(request.nextHop.address) ?? 200;
        if (behaviour === 'offline') throw new Unavailable('SIP server', 'not connected');
        if (behaviour === 'silent') {
          flight.most = Math.max(flight.most, ++flight.now);
          const status = await new Promise<number>((resolve) => held.push(resolve));
          flight.now--;
          return response(status, status === 408);
        }
        if (behaviour instanceof Error) throw behaviour;
        if (typeof behaviour === 'number') return response(behaviour, false);
        const [status, why] = behaviour.slice('local '.length).split(', ');
        return response(Number(status), true, why);
      },
    },
    ...changes,
  };
  const pinger = new GatewayPinger(options);
  const state = (n: number) => pinger.snapshot().find((h) => h.gateway.gatewaySid === `gw${n}`)?.state;
  const interval = () => timers.advanceAsync(INTERVAL_MS);
  return {
    pinger,
    timers,
    logger,
    alerts,
    peers,
    sent,
    names,
    listed,
    writes,
    disabled,
    down,
    gate,
    resolved,
    reach,
    held,
    flight,
    state,
    interval,
  };
}
