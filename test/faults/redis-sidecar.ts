import { Abuse } from '../../src/abuse/index.ts';
import { RedisAbuseStore } from '../../src/adapters/redis/abuse-store.ts';
import { connectRedis } from '../../src/adapters/redis/connection.ts';
import { RedisEphemeralGateways } from '../../src/adapters/redis/ephemeral-gateways.ts';
import { RedisGatewayBlacklist } from '../../src/adapters/redis/gateway-blacklist.ts';
import { RedisLease } from '../../src/adapters/redis/lease.ts';
import { RedisLocationService } from '../../src/adapters/redis/location.ts';
import { RealmIndexKeeper } from '../../src/adapters/redis/realm-index.ts';
import { RedisRegistrations } from '../../src/adapters/redis/registrations.ts';
import { RedisServerPool } from '../../src/adapters/redis/server-pool.ts';
import { perform } from '../../src/admin/actions.ts';
import { Settings } from '../../src/admin/settings.ts';
import { readConfig } from '../../src/config/index.ts';
import { EventBus } from '../../src/events/bus.ts';
import { WatchedGateway } from '../../src/gateways/watched-gateway.ts';
import { backgroundFailures } from '../../src/lib/background.ts';
import { systemTimers } from '../../src/lib/timers.ts';
import { options } from '../../src/options/index.ts';
import { SilenceWatch } from '../../src/options/silence.ts';
import { NO_EVENTS } from '../../src/ports/events.ts';
import { EphemeralAddresses } from '../../src/regbot/ephemeral.ts';
import { Leader } from '../../src/regbot/leader.ts';
import { ConnectionBindings } from '../../src/register/connection-bindings.ts';
import { eventsView } from '../../src/sidecar/events-view.ts';
import { outboundView } from '../../src/sidecar/operator-view.ts';
import { registrationsView } from '../../src/sidecar/registrations-view.ts';
import { gateway } from '../gateways/support.ts';
import { TRUNK } from '../regbot/support.ts';
import { openCore } from '../support/core.ts';
import { eventually } from '../support/eventually.ts';
import { Phone, pipeline } from '../support/phone.ts';
import type { RedisServer } from '../support/redis.ts';
import { sipRequest } from '../support/sip-request.ts';

const CLUSTER = 'faults';
const REALM = 'sip.example.com';
const TOKEN = 'this sidecar';
const SECOND = 1000;
const DAY = 86_400;
const LOST = { address: '192.0.2.50', port: 5061 };

/** Background work that runs a script in Redis, and that which sends plain commands. */
export const SCRIPT_WORK = [
  'call of the lease store',
  'promotion of bindings',
  'removal of expired AORs',
  'reconciliation of realm indexes',
  'removal of bindings of a lost connection',
  'exchange of bans',
  'removal of silent feature servers',
  'removal of silent rtp servers',
  'saving of ephemeral gateways',
];
export const PLAIN_WORK = ['blacklisting of a gateway', 'removal of a gateway from the blacklist'];

/**
 * Everything in a sidecar that asks Redis, by way of `address`; time is manual. `redis` is the server behind it, for a look
 * at what was written.
 */
export async function startRedisSidecar(address: { host: string; port: number }, { client: redis }: RedisServer) {
  const core = openCore();
  const { clock, logger } = core;
  // Redis has the time of the system.
  clock.skew = Date.now() - clock.now();
  const config = readConfig({
    SIDECAR_EMBEDDED: '1',
    JAMBONES_REDIS_HOST: address.host,
    JAMBONES_REDIS_PORT: String(address.port),
  });
  const connection = connectRedis(config.redis, logger);
  const location = new RedisLocationService(connection, clock, logger);
  const pool = new RedisServerPool(connection, CLUSTER, clock, logger);
  const lease = new RedisLease(connection, CLUSTER);
  const common = { timers: clock, logger };
  const leader = new Leader({ ...common, lease, lengthMs: 30 * SECOND, random: () => 0.5, token: TOKEN });
  const index = new RealmIndexKeeper(connection, clock, logger, async (realm) => realm);
  const silence = new SilenceWatch({ ...common, pool, expiresMs: DAY * SECOND, checkMs: SECOND });
  const ephemeral = new EphemeralAddresses(new RedisEphemeralGateways(connection, clock), clock, logger);
  const blacklist = new RedisGatewayBlacklist(connection);
  const watch = { ...common, blacklist, failureThreshold: 1, ttlSeconds: 300, alerts: { raise: () => {} } };
  const down = new WatchedGateway(gateway(1), watch);
  const up = new WatchedGateway(gateway(2), watch);
  const policy = { banThreshold: 250, banSeconds: 300, banSet: '' };
  const store = new RedisAbuseStore(connection, CLUSTER, policy, clock);
  const abuse = new Abuse({ ...common, events: NO_EVENTS, store, policy, exempt: () => false });
  let lost = false;
  const isOpen = (host: string) => !(lost && host === LOST.address);
  const connections = new ConnectionBindings({ ...common, location, isOpen, graceSeconds: 1, events: NO_EVENTS });
  const rules = { ...core.rules, location, connections };
  const admin = {
    pool,
    silentMs: DAY * SECOND,
    settings: new Settings({}),
    outbound: outboundView(
      {
        leader,
        fleet: { snapshot: () => [], skipped: () => [], refreshNow: async () => 'done' as const },
        pinger: { snapshot: () => [] },
        token: TOKEN,
      },
      lease,
      clock,
    ),
    bans: abuse,
    bus: NO_EVENTS,
    registrations: registrationsView({
      registrations: new RedisRegistrations(connection, clock),
      location,
      directory: rules.directory,
      lastRefusals: { of: () => undefined },
      bans: abuse,
      events: NO_EVENTS,
      timers: systemTimers,
    }),
    events: eventsView(new EventBus(clock)),
    now: () => clock.now(),
    status: () => Promise.reject(new Error('not part of this')),
    reload: () => '',
    config: () => ({ variables: [] }),
    audit: logger,
  };

  const phone = (user: string, password: string, source?: { address: string; port: number }) =>
    new Phone(pipeline(rules, source), user, password, REALM);
  const checkIn = async (kind: 'FS' | 'RTP') => {
    const request = sipRequest(
      'OPTIONS',
      'sip:sbc',
      { [`X-${kind}-Status`]: 'open' },
      {
        transport: 'udp',
        address: '10.0.0.1',
        port: 5060,
      },
    );
    return (
      await options({ pool, networks: [{ contains: () => true }], listeners: [], logger, mayWarn: () => true }, request)
    ).status;
  };
  const succeeds = async (request: object) => {
    let last = await perform(admin, request, new AbortController().signal);
    if (Symbol.asyncIterator in last) for await (const line of last) last = line;
    return Reflect.get(last, 'success');
  };

  /** What is to be done by each kind of work. */
  const prepare = async () => {
    await redis.zadd('sidecar:promotions', clock.now() - 1, `zoe@${REALM}`);
    await redis.zadd('active-user', clock.now() + DAY * SECOND, 'user:zoe@other.example.com');
    await redis.zadd('active-user', clock.now() - 1, `user:expired@${REALM}`);
    for (const kind of ['fs', 'rtp']) {
      await redis.sadd(`${CLUSTER}:active-${kind}`, '10.9.9.9');
      await redis.hset(`sidecar:${CLUSTER}:${kind}`, '10.9.9.9', '{"at":-1}');
    }
    await redis.set('blacklist-sip-gateway:gw2', '1');
    await redis.zadd(`sidecar:${CLUSTER}:bans`, clock.now() + DAY * SECOND, '198.51.100.7');
    await phone('bob', 'builder', LOST).register({ via: `SIP/2.0/TCP ${LOST.address}:${LOST.port};branch=z9hG4bK1` });
  };
  const start = () => {
    location.start();
    silence.start();
    index.start();
    leader.start();
    abuse.start();
    ephemeral.hold(TRUNK, ['192.0.2.9'], clock.now() + DAY * SECOND);
    down.record({ alive: false, summary: 'no answer' });
    up.record({ alive: true, summary: '200 OK' });
    lost = true;
    connections.closed(LOST);
  };
  const isDone = async () =>
    leader.mayAct() &&
    (await redis.zscore('sidecar:promotions', `zoe@${REALM}`)) === null &&
    (await redis.zscore('active-user', `user:expired@${REALM}`)) === null &&
    (await redis.zscore('sidecar:realm:other.example.com', 'user:zoe@other.example.com')) !== null &&
    (await redis.sismember(`${CLUSTER}:active-fs`, '10.9.9.9')) === 0 &&
    (await redis.sismember(`${CLUSTER}:active-rtp`, '10.9.9.9')) === 0 &&
    (await redis.hexists('eph-gw-ip:192.0.2.9', TRUNK.carrierSid)) === 1 &&
    (await redis.exists('blacklist-sip-gateway:gw1')) === 1 &&
    (await redis.exists('blacklist-sip-gateway:gw2')) === 0 &&
    (await redis.exists(`user:bob@${REALM}`)) === 0 &&
    abuse.isBanned('198.51.100.7');

  /** Lets a second pass, and waits for the replies to what was asked before: time must not outrun a slow machine. */
  const passSecond = async () => {
    clock.advance(SECOND);
    if (connection.status === 'ready') await connection.ping().catch(() => undefined);
  };

  return {
    clock,
    logger,
    connection,
    passSecond,
    phone,
    checkIn,
    succeeds,
    prepare,
    /** Starts all work in the background. */
    start,
    /** Lets time pass until each of these kinds of work has failed. */
    async fails(names: readonly string[]) {
      const failed = () => [...backgroundFailures(logger).keys()].toSorted();
      const probe = async () => {
        await passSecond();
        return names.every((name) => failed().includes(name)) || undefined;
      };
      await eventually('failures', probe, { describe: failed });
      return failed();
    },
    /** Lets time pass until all work is done. */
    async works() {
      const probe = async () => {
        for (let second = 0; second < 5; second++) await passSecond();
        // While it holds the lease, it does not ask at each turn whether a gateway that is up is listed.
        up.record({ alive: true, summary: '200 OK' });
        return (await isDone()) || undefined;
      };
      await eventually('all work done', probe, { describe: () => logger.lines.slice(-5) });
    },
    async stop() {
      location.stop();
      silence.stop();
      index.stop();
      connections.stop();
      down.end();
      ephemeral.forget();
      await leader.stop();
      await abuse.stop();
      connection.disconnect();
    },
  };
}
