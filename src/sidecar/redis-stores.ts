import { hostname } from 'node:os';
import { RedisAbuseStore } from '../adapters/redis/abuse-store.ts';
import { connectRedis, redisDependency } from '../adapters/redis/connection.ts';
import { RedisEphemeralGateways } from '../adapters/redis/ephemeral-gateways.ts';
import { RedisEventsStream } from '../adapters/redis/events-stream.ts';
import { RedisGatewayBlacklist } from '../adapters/redis/gateway-blacklist.ts';
import { RedisLease } from '../adapters/redis/lease.ts';
import { RedisLocationService } from '../adapters/redis/location.ts';
import { RealmIndexKeeper } from '../adapters/redis/realm-index.ts';
import { RedisRegistrationCounts } from '../adapters/redis/registration-counts.ts';
import { RedisRegistrations } from '../adapters/redis/registrations.ts';
import { RedisServerPool } from '../adapters/redis/server-pool.ts';
import { RedisTrunkContacts } from '../adapters/redis/trunk-contacts.ts';
import type { Config } from '../config/index.ts';
import type { Logger } from '../lib/logger.ts';
import { type Clock, systemTimers } from '../lib/timers.ts';
import type { Directory } from '../ports/directory.ts';
import { abusePolicy } from './abuse.ts';
import type { Opened, SharedStores, Starting } from './stores.ts';

/** What the sidecars of a cluster share, in Redis. */
export function sharedInRedis(
  config: Config,
  directory: Directory,
  logger: Logger,
  clock: Clock,
): SharedStores & Opened & Starting {
  const redis = connectRedis(config.redis, logger);
  const { clusterId } = config.platform;
  const store = redisDependency(redis, config.redis, clusterId, logger);
  const location = new RedisLocationService(redis, systemTimers, logger);
  // Counted for device limits, which only a hosted platform has.
  const accountRealm = async (realm: string) =>
    (config.platform.hosting ? (await directory.accountByRealm(realm))?.realm : undefined) ?? realm;
  const index = new RealmIndexKeeper(redis, systemTimers, logger, accountRealm);
  return {
    store,
    location,
    registrations: new RedisRegistrations(redis, clock),
    registrationCounts: new RedisRegistrationCounts(redis, clock),
    pool: new RedisServerPool(redis, clusterId, clock, logger),
    lease: new RedisLease(redis, clusterId),
    ephemeral: new RedisEphemeralGateways(redis, clock),
    blacklist: new RedisGatewayBlacklist(redis),
    contacts: new RedisTrunkContacts(redis, clusterId),
    abuse: new RedisAbuseStore(redis, clusterId, abusePolicy(config), clock),
    ...(config.events.stream && {
      events: new RedisEventsStream(redis, config.events.stream, `${hostname()}/${process.pid}`),
    }),
    start() {
      location.start();
      index.start();
    },
    async close() {
      location.stop();
      index.stop();
      redis.disconnect();
    },
  };
}
