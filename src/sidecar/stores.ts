import type { Database } from 'bun:sqlite';
import { hostname } from 'node:os';
import { CachedCarriers } from '../adapters/cached/carriers.ts';
import { CachedDirectory } from '../adapters/cached/directory.ts';
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
import { SqlCarriers } from '../adapters/sql/carriers.ts';
import { ClientPasswordCipher } from '../adapters/sql/client-password.ts';
import { SqlDirectory } from '../adapters/sql/directory.ts';
import { type MysqlServer, openMysqlServers } from '../adapters/sql/mysql.ts';
import { classified } from '../adapters/sql/run-query.ts';
import { MysqlSbcAddresses } from '../adapters/sql/sbc-addresses.ts';
import { kyselyOver } from '../adapters/sql/sqlite.ts';
import { SqliteAbuseStore } from '../adapters/sqlite/abuse-store.ts';
import { claimDataDirectory } from '../adapters/sqlite/data-directory.ts';
import { inDirectory } from '../adapters/sqlite/data-error.ts';
import { decryptedCarriers, decryptedDirectory } from '../adapters/sqlite/decrypted.ts';
import { SQLITE_TIMEOUT_MS, sqliteDependency } from '../adapters/sqlite/dependency.ts';
import { SqliteEphemeralGateways } from '../adapters/sqlite/ephemeral-gateways.ts';
import { SqliteGatewayBlacklist } from '../adapters/sqlite/gateway-blacklist.ts';
import { SqliteLease } from '../adapters/sqlite/lease.ts';
import { SqliteLocationService } from '../adapters/sqlite/location.ts';
import { openSqlite } from '../adapters/sqlite/open.ts';
import { SqliteProvisioning } from '../adapters/sqlite/provisioning.ts';
import { SqliteRegistrationCounts } from '../adapters/sqlite/registration-counts.ts';
import { SqliteRegistrations } from '../adapters/sqlite/registrations.ts';
import { SqliteSbcAddresses } from '../adapters/sqlite/sbc-addresses.ts';
import { SqliteServerPool } from '../adapters/sqlite/server-pool.ts';
import { ownSecret, recordStart, unlockSecrets } from '../adapters/sqlite/settings.ts';
import { SqliteTrunkContacts } from '../adapters/sqlite/trunk-contacts.ts';
import type { Config } from '../config/index.ts';
import { background, turn } from '../lib/background.ts';
import type { Dependency } from '../lib/dependency.ts';
import type { Logger } from '../lib/logger.ts';
import { type Clock, systemTimers } from '../lib/timers.ts';
import type { AbusePolicy, AbuseStore } from '../ports/abuse-store.ts';
import type { CarrierDirectory } from '../ports/carriers.ts';
import type { Directory } from '../ports/directory.ts';
import type { EphemeralGateways } from '../ports/ephemeral-gateways.ts';
import type { EventSink } from '../ports/events.ts';
import type { GatewayBlacklist } from '../ports/gateway-blacklist.ts';
import type { Lease } from '../ports/lease.ts';
import type { LocationService } from '../ports/location.ts';
import type { ProvisioningStore } from '../ports/provisioning.ts';
import type { RegistrationCounts } from '../ports/registration-counts.ts';
import type { Registrations } from '../ports/registrations.ts';
import type { SbcAddresses } from '../ports/sbc-addresses.ts';
import type { ServerPool } from '../ports/server-pool.ts';
import type { TrunkContacts } from '../ports/trunk-contacts.ts';

const END_TIMEOUT_MS = 1_000;

/** State that the sidecars of a cluster share: in Redis, or in the SQLite of a single sidecar. */
interface SharedStores {
  readonly store: Dependency;
  readonly location: LocationService;
  readonly registrations: Registrations;
  readonly registrationCounts: RegistrationCounts;
  readonly pool: ServerPool;
  readonly lease: Lease;
  readonly ephemeral: EphemeralGateways;
  readonly blacklist: GatewayBlacklist;
  readonly contacts: TrunkContacts;
  readonly abuse: AbuseStore;
  /** Where events go for other programs, if anywhere. */
  readonly events?: EventSink;
}

/** The platform's database: MySQL or SQLite. */
interface DatabaseStores {
  readonly database: Dependency;
  /** Where writes go, if that is another server than `database`. */
  readonly databaseWriter?: Dependency;
  readonly directory: Directory;
  readonly carriers: CarrierDirectory;
  readonly addresses: SbcAddresses;
  readonly provisioning?: ProvisioningStore;
}

interface Opened {
  close(): Promise<void>;
}

export interface Stores extends SharedStores, DatabaseStores, Opened {
  /** Encrypts client passwords, and keys nonces. */
  readonly secret: string;
  /** Starts background work; call when store and database have answered. */
  start(): void;
  forget(): void;
}

/** Chooses the adapter behind each port. Does not wait for connections. */
export function openStores(config: Config, logger: Logger, clock: Clock): Stores {
  const { parts } = config;
  const usesSqlite = parts.store === 'sqlite' || parts.directory === 'sqlite' || config.encryptionSecret === undefined;
  const data = usesSqlite ? openData(config.embedded.data, logger) : undefined;
  const secret = config.encryptionSecret ?? ownSecret(present(data).sqlite);
  const cipher = new ClientPasswordCipher(secret, config.secrets.legacyCrypto);

  const database =
    parts.directory === 'mysql'
      ? databaseInMysql(config, cipher, logger, clock)
      : databaseInSqlite(present(data), config, cipher, logger, clock);
  const times = { refreshMs: config.mysql.refreshSeconds * 1000, staleMs: config.mysql.staleSeconds * 1000 };
  const directory = new CachedDirectory(database.directory, times, clock, logger);
  const shared =
    parts.store === 'redis'
      ? sharedInRedis(config, directory, logger, clock)
      : sharedInSqlite(present(data), config, logger, clock);

  return {
    ...shared,
    ...database,
    directory,
    carriers: new CachedCarriers(database.carriers, times.staleMs, clock, logger),
    secret,
    forget: () => directory.clear(),
    async close() {
      await Promise.all([shared.close(), database.close()]);
      data?.close();
    },
  };
}

/** The database of embedded mode, in a data directory that no other process has. */
interface Data {
  readonly directory: string;
  /** Synced to disk at every commit. */
  readonly sqlite: Database;
  /** The same database, for what may be lost in a power failure; a sync for each of those would delay phones. */
  readonly unsynced: Database;
  readonly dependency: Dependency;
  close(): void;
}

/** @throws DataError */
function openData(directory: string, logger: Logger): Data {
  const claimed = claimDataDirectory(directory);
  const { path } = claimed;
  try {
    const sqlite = openSqlite(path);
    inDirectory(path, () => recordStart(sqlite));
    const unsynced = openSqlite(path, { durable: false });
    return {
      directory: path,
      sqlite,
      unsynced,
      dependency: sqliteDependency(unsynced, path, logger),
      close() {
        unsynced.close();
        sqlite.close();
        claimed.release();
      },
    };
  } catch (error) {
    claimed.release();
    throw error;
  }
}

function sharedInRedis(
  config: Config,
  directory: Directory,
  logger: Logger,
  clock: Clock,
): SharedStores & Opened & Pick<Stores, 'start'> {
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

function sharedInSqlite(
  { directory, sqlite, unsynced, dependency }: Data,
  config: Config,
  logger: Logger,
  clock: Clock,
): SharedStores & Opened & Pick<Stores, 'start'> {
  const location = new SqliteLocationService(sqlite, systemTimers, logger);
  return {
    store: dependency,
    location,
    registrations: new SqliteRegistrations(sqlite, clock),
    registrationCounts: new SqliteRegistrationCounts(sqlite, clock),
    pool: new SqliteServerPool(sqlite, clock),
    lease: new SqliteLease(sqlite, config.platform.clusterId),
    ephemeral: new SqliteEphemeralGateways(sqlite, clock),
    blacklist: new SqliteGatewayBlacklist(sqlite, clock),
    // Saved at every refresh of every trunk.
    contacts: new SqliteTrunkContacts(unsynced),
    // Written every second under attack.
    abuse: new SqliteAbuseStore(unsynced, abusePolicy(config), clock),
    start: () => inDirectory(directory, () => location.start()),
    close: async () => location.stop(),
  };
}

function databaseInMysql(
  config: Config,
  cipher: ClientPasswordCipher,
  logger: Logger,
  clock: Clock,
): DatabaseStores & Opened {
  const { reader, writer } = openMysqlServers(config.mysql, logger);
  const writes = writer ?? reader;
  const servers = writer ? [reader, writer] : [reader];
  const ping = () => {
    for (const { pool, dependency } of servers)
      background(logger, 'MySQL keep-alive', () => dependency.ask(() => pool.promise().query('SELECT 1')));
  };
  const timer = config.mysql.keepAliveMs > 0 ? setInterval(ping, config.mysql.keepAliveMs) : undefined;
  return {
    database: reader.dependency,
    ...(writer && { databaseWriter: writer.dependency }),
    directory: new SqlDirectory(reader, config.mysql.timeoutMs, cipher, clock, logger),
    carriers: new SqlCarriers(reader, writes, logger),
    addresses: new MysqlSbcAddresses(writes),
    async close() {
      clearInterval(timer);
      // Not through Kysely, which ends only a pool it has used. A query under way may hold up the end or make it fail.
      const end = ({ pool }: MysqlServer) => classified('MySQL', pool.promise().end(), END_TIMEOUT_MS, systemTimers);
      await Promise.all(servers.map((server) => turn(logger, 'end of the MySQL connections', () => end(server))));
    },
  };
}

function databaseInSqlite(
  { directory, sqlite, unsynced, dependency }: Data,
  config: Config,
  cipher: ClientPasswordCipher,
  logger: Logger,
  clock: Clock,
): DatabaseStores & Opened {
  const secret = {
    given: config.encryptionSecret,
    legacy: config.secrets.legacyCrypto,
    replaced: config.embedded.provision !== '',
  };
  inDirectory(directory, () => unlockSecrets(sqlite, directory, cipher, secret));
  const reader = { db: kyselyOver(sqlite), dependency };
  // Every trunk writes its status at every refresh.
  const writer = { db: kyselyOver(unsynced), dependency };
  return {
    database: dependency,
    directory: decryptedDirectory(new SqlDirectory(reader, SQLITE_TIMEOUT_MS, cipher, clock, logger), cipher),
    carriers: decryptedCarriers(new SqlCarriers(reader, writer, logger), cipher),
    addresses: new SqliteSbcAddresses(sqlite),
    provisioning: new SqliteProvisioning(sqlite, cipher),
    async close() {},
  };
}

export function abusePolicy({ abuse: { banThreshold, banSeconds, banRedisKey } }: Config): AbusePolicy {
  return { banThreshold, banSeconds, banSet: banRedisKey };
}

function present(data: Data | undefined): Data {
  if (!data) throw new Error('SQLite is used but was not opened');
  return data;
}
