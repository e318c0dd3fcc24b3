import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { DnsNextHops } from '../adapters/dns/next-hops.ts';
import { AddressAnnouncer } from '../addresses/announcer.ts';
import type { Config } from '../config/index.ts';
import { GatewayPinger } from '../gateways/pinger.ts';
import { background } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import { systemTimers, type Timer } from '../lib/timers.ts';
import { VERSION } from '../lib/version.ts';
import type { Alerts } from '../ports/alerts.ts';
import type { CarrierDirectory } from '../ports/carriers.ts';
import type { Events } from '../ports/events.ts';
import type { SipServer } from '../ports/sip-server.ts';
import { Fleet } from '../regbot/fleet.ts';
import { Leader } from '../regbot/leader.ts';
import type { Stores } from './stores.ts';

export interface Outbound {
  readonly leader: Leader;
  readonly fleet: Fleet;
  readonly pinger: GatewayPinger;
  /** Identifies this sidecar as holder of the lease. */
  readonly token: string;
  start(): void;
  /** Reads the carriers again now if this sidecar leads. */
  follow(): void;
  /** Releases the lease, so that another sidecar takes over at once. */
  stop(): Promise<void>;
}

/** What we send unasked: registrations at carriers, pings of gateways, and our public addresses. */
export function createOutbound(
  config: Config,
  stores: Stores,
  sip: SipServer,
  alerts: Alerts,
  events: Events,
  logger: Logger,
): Outbound {
  const { regbot, ping, sbcAddresses } = config;
  const common = { sip, alerts, events, logger, timers: systemTimers, random: Math.random };
  const nextHops = new DnsNextHops(systemTimers, logger);
  const userAgent = regbot.userAgent || `sbc-sip-sidecar/${VERSION}`;
  const token = `${hostname()}/${process.pid}/${randomBytes(6).toString('base64url')}`;

  const pinger = new GatewayPinger({
    ...common,
    ...ping,
    nextHops,
    userAgent,
    blacklist: stores.blacklist,
    carriers: stores.carriers,
  });
  const leader = new Leader({ ...common, lease: stores.lease, lengthMs: regbot.leaseSeconds * 1000, token });
  const directory = withPingerUpdates(stores.carriers, pinger);
  const fleet = new Fleet({
    ...common,
    directory,
    nextHops,
    settings: { ...regbot, userAgent },
    ephemeral: stores.ephemeral,
    contacts: stores.contacts,
    mayAct: () => leader.mayAct(),
  });
  leader.add(fleet);
  if (!ping.all) leader.add({ gained: () => pinger.start(), lost: () => pinger.stop() });
  const announcer = new AddressAnnouncer({
    ...sbcAddresses,
    timers: systemTimers,
    logger,
    addresses: stores.addresses,
    hostports: () => sip.hostports,
  });
  sip.onConnected(() => void announcer.connected());
  let following: Timer | undefined;

  return {
    leader,
    fleet,
    pinger,
    token,
    start() {
      leader.start();
      if (ping.all) pinger.start();
      // A sidecar that does not lead reads too: for its own pings, and to have the carriers when it takes over.
      const follow = () => {
        following = systemTimers.after(regbot.refreshSeconds * 1000, follow);
        if (!leader.mayAct()) background(logger, 'reading of carriers', () => directory.read());
      };
      follow();
    },
    follow() {
      background(logger, 'reading of carriers', () => fleet.refreshNow());
    },
    async stop() {
      following?.cancel();
      pinger.stop();
      await Promise.all([leader.stop(), announcer.stop()]);
    },
  };
}

/** A directory whose every read also updates the gateways of the pinger. */
function withPingerUpdates(carriers: CarrierDirectory, pinger: GatewayPinger): CarrierDirectory {
  return {
    async read() {
      const read = await carriers.read();
      pinger.update(read.pinged);
      return read;
    },
    saveRegisterStatus: (sid, status) => carriers.saveRegisterStatus(sid, status),
    disableRegistration: (sid, trunkType) => carriers.disableRegistration(sid, trunkType),
    disablePing: (sid) => carriers.disablePing(sid),
  };
}
