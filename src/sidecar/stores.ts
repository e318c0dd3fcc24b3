import type { Database } from 'bun:sqlite';
import { CachedCarriers } from '../adapters/cached/carriers.ts';
import { CachedDirectory } from '../adapters/cached/directory.ts';
import { connectRedis, untilReady } from '../adapters/redis/connection.ts';
import { RedisEphemeralGateways } from '../adapters/redis/ephemeral-gateways.ts';
import { RedisGatewayBlacklist } from '../adapters/redis/gateway-blacklist.ts';
import { RedisLease } from '../adapters/redis/lease.ts';
import { RedisLocationService } from '../adapters/redis/location.ts';
import { RealmIndexKeeper } from '../adapters/redis/realm-index.ts';
import { RedisServerPool } from '../adapters/redis/server-pool.ts';
import { RedisTrunkContacts } from '../adapters/redis/trunk-contacts.ts';
import { SqlCarriers } from '../adapters/sql/carriers.ts';
import { ClientPasswordCipher } from '../adapters/sql/client-password.ts';
import { SqlDirectory } from '../adapters/sql/directory.ts';
import { openMysql, openMysqlWriter } from '../adapters/sql/mysql.ts';
import { runQuery } from '../adapters/sql/run-query.ts';
import { MysqlSbcAddresses } from '../adapters/sql/sbc-addresses.ts';
import { kyselyOver } from '../adapters/sql/sqlite.ts';
import { claimDataDirectory } from '../adapters/sqlite/data-directory.ts';
import { inDirectory } from '../adapters/sqlite/data-error.ts';
import { decryptedCarriers, decryptedDirectory } from '../adapters/sqlite/decrypted.ts';
import { SqliteEphemeralGateways } from '../adapters/sqlite/ephemeral-gateways.ts';
import { SqliteGatewayBlacklist } from '../adapters/sqlite/gateway-blacklist.ts';
import { SqliteLease } from '../adapters/sqlite/lease.ts';
import { SqliteLocationService } from '../adapters/sqlite/location.ts';
import { openSqlite } from '../adapters/sqlite/open.ts';
import { SqliteProvisioning } from '../adapters/sqlite/provisioning.ts';
import { SqliteSbcAddresses } from '../adapters/sqlite/sbc-addresses.ts';
import { SqliteServerPool } from '../adapters/sqlite/server-pool.ts';
import { ownSecret, recordStart, unlockSecrets } from '../adapters/sqlite/settings.ts';
import { SqliteTrunkContacts } from '../adapters/sqlite/trunk-contacts.ts';
import type { Config } from '../config/index.ts';
import { background, turn } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import { type Clock, systemTimers } from '../lib/timers.ts';
import type { CarrierDirectory } from '../ports/carriers.ts';
import type { Directory } from '../ports/directory.ts';
import type { EphemeralGateways } from '../ports/ephemeral-gateways.ts';
import type { GatewayBlacklist } from '../ports/gateway-blacklist.ts';
import type { Lease } from '../ports/lease.ts';
import type { LocationService } from '../ports/location.ts';
import type { ProvisioningStore } from '../ports/provisioning.ts';
import type { SbcAddresses } from '../ports/sbc-addresses.ts';
import type { ServerPool } from '../ports/server-pool.ts';
import type { TrunkContacts } from '../ports/trunk-contacts.ts';

const PROBE_TIMEOUT_MS = 5_000;
const END_TIMEOUT_MS = 1_000;

/** State that the sidecars of a cluster share: in Redis, or in the SQLite of a single sidecar. */
interface SharedStores {
  readonly location: LocationService;
  readonly pool: ServerPool;
  readonly lease: Lease;
  readonly ephemeral: EphemeralGateways;
  readonly blacklist: GatewayBlacklist;
  readonly contacts: TrunkContacts;
}

/** The platform's database: MySQL or SQLite. */
interface DatabaseStores {
  readonly directory: Directory;
  readonly carriers: CarrierDirectory;
  readonly addresses: SbcAddresses;
  readonly provisioning?: ProvisioningStore;
}

interface Opened {
  /** Services that must answer before we are ready. */
  readonly probes: readonly { readonly name: string; readonly probe: () => Promise<unknown> }[];
  close(): Promise<void>;
}

export interface Stores extends SharedStores, DatabaseStores, Opened {
  /** Encrypts client passwords, and keys nonces. */
  readonly secret: string;
  /** Starts background work; call when the probes have answered. */
  start(): void;
  forget(): void;
}

/** Chooses the adapter behind each port. Does not wait for connections. */
export function openStores(config: Config, logger: Logger, clock: Clock): Stores {
  const { parts } = config;
  const usesSqlite = parts.store === 'sqlite' || parts.directory === 'sqlite' || config.encryptionSecret === undefined;
  const data = usesSqlite ? openData(config.embedded.data) : undefined;
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
      : sharedInSqlite(present(data), config, clock);

  return {
    ...shared,
    ...database,
    directory,
    carriers: new CachedCarriers(database.carriers, times.staleMs, clock, logger),
    secret,
    probes: [...shared.probes, ...database.probes],
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
  readonly sqlite: Database;
  close(): void;
}

/** @throws DataError */
function openData(directory: string): Data {
  const claimed = claimDataDirectory(directory);
  const { path } = claimed;
  try {
    const sqlite = openSqlite(path);
    inDirectory(path, () => recordStart(sqlite));
    return {
      directory: path,
      sqlite,
      close() {
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
  const location = new RedisLocationService(redis, systemTimers, logger);
  // Counted for device limits, which only a hosted platform has.
  const accountRealm = async (realm: string) =>
    (config.platform.hosting ? (await directory.accountByRealm(realm))?.realm : undefined) ?? realm;
  const index = new RealmIndexKeeper(redis, systemTimers, logger, accountRealm);
  return {
    location,
    pool: new RedisServerPool(redis, clusterId, clock, logger),
    lease: new RedisLease(redis, clusterId),
    ephemeral: new RedisEphemeralGateways(redis, clock),
    blacklist: new RedisGatewayBlacklist(redis),
    contacts: new RedisTrunkContacts(redis, clusterId),
    probes: [{ name: 'Redis', probe: () => untilReady(redis) }],
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
  { directory, sqlite }: Data,
  config: Config,
  clock: Clock,
): SharedStores & Opened & Pick<Stores, 'start'> {
  const location = new SqliteLocationService(sqlite, clock);
  // Every trunk saves its Contact at every refresh; a sync to disk for each would delay phones.
  const undurable = openSqlite(config.embedded.data, { durable: false });
  return {
    location,
    pool: new SqliteServerPool(sqlite, clock),
    lease: new SqliteLease(sqlite, config.platform.clusterId),
    ephemeral: new SqliteEphemeralGateways(sqlite, clock),
    blacklist: new SqliteGatewayBlacklist(sqlite, clock),
    contacts: new SqliteTrunkContacts(undurable),
    probes: [],
    start: () => inDirectory(directory, () => location.sweepAll()),
    close: async () => undurable.close(),
  };
}

function databaseInMysql(
  config: Config,
  cipher: ClientPasswordCipher,
  logger: Logger,
  clock: Clock,
): DatabaseStores & Opened {
  const reader = openMysql(config.mysql, config.mysql.reader);
  const writer = openMysqlWriter(config.mysql);
  const writes = writer?.db ?? reader.db;
  const pools = writer ? [reader.pool, writer.pool] : [reader.pool];
  const probe = (pool = reader.pool) => pool.promise().query('SELECT 1');
  const ping = () => {
    for (const pool of pools)
      background(logger, 'MySQL keep-alive', () => runQuery('MySQL', probe(pool), PROBE_TIMEOUT_MS));
  };
  const timer = config.mysql.keepAliveMs > 0 ? setInterval(ping, config.mysql.keepAliveMs) : undefined;
  return {
    directory: new SqlDirectory(reader.db, 'MySQL', cipher, clock, logger),
    carriers: new SqlCarriers(reader.db, writes, 'MySQL', logger),
    addresses: new MysqlSbcAddresses(writes),
    // The writer is not probed: phones do not depend on it.
    probes: [{ name: 'MySQL', probe: () => runQuery('MySQL', probe(), PROBE_TIMEOUT_MS) }],
    async close() {
      clearInterval(timer);
      // Not through Kysely, which ends only a pool it has used. A query under way may hold up the end or make it fail.
      const end = (pool: (typeof pools)[number]) => runQuery('MySQL', pool.promise().end(), END_TIMEOUT_MS);
      await Promise.all(pools.map((pool) => turn(logger, 'end of the MySQL connections', () => end(pool))));
    },
  };
}

function databaseInSqlite(
  { directory, sqlite }: Data,
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
  const db = kyselyOver(sqlite);
  // Every trunk writes its status at every refresh; a sync to disk for each would delay phones.
  const statuses = openSqlite(directory, { durable: false });
  return {
    directory: decryptedDirectory(new SqlDirectory(db, 'SQLite', cipher, clock, logger), cipher),
    carriers: decryptedCarriers(new SqlCarriers(db, kyselyOver(statuses), 'SQLite', logger), cipher),
    addresses: new SqliteSbcAddresses(sqlite),
    provisioning: new SqliteProvisioning(sqlite, cipher),
    probes: [],
    close: async () => statuses.close(),
  };
}

function present(data: Data | undefined): Data {
  if (!data) throw new Error('SQLite is used but was not opened');
  return data;
}
