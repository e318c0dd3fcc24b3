import type { Database } from 'bun:sqlite';
import { CachedDirectory } from './adapters/cached-directory.ts';
import { connectRedis, untilReady } from './adapters/redis/connection.ts';
import { RedisLocationService } from './adapters/redis/location.ts';
import { RealmIndexKeeper } from './adapters/redis/realm-index.ts';
import { RedisServerPool } from './adapters/redis/server-pool.ts';
import { SqlDirectory } from './adapters/sql/directory.ts';
import { openMysql } from './adapters/sql/mysql.ts';
import { kyselyOver } from './adapters/sql/sqlite.ts';
import { SqliteLocationService } from './adapters/sqlite/location.ts';
import { openSqlite } from './adapters/sqlite/open.ts';
import { SqliteServerPool } from './adapters/sqlite/server-pool.ts';
import { ownSecret } from './adapters/sqlite/settings.ts';
import type { Config } from './config/index.ts';
import { ClientPasswordCipher } from './crypto/client-password.ts';
import type { Clock, Directory, LocationService, Logger, ServerPool } from './ports.ts';

/** Where bindings, servers and accounts are kept: Redis and MySQL, SQLite, or one of each. */
export interface Stores {
  readonly location: LocationService;
  readonly pool: ServerPool;
  readonly directory: Directory;
  /** What client passwords are encrypted with and nonces are made from. */
  readonly secret: string;
  readonly cipher: ClientPasswordCipher;
  /** There when it is used for anything. */
  readonly sqlite: Database | undefined;
  /** What must answer before we are ready, by name. */
  readonly probes: readonly { readonly name: string; readonly probe: () => Promise<unknown> }[];
  /** Background work; after the probes have answered. */
  start(): void;
  /** Forgets cached accounts and clients. */
  forget(): void;
  close(): Promise<void>;
}

/** Opens them as Config says; nothing waits for a connection here. */
export function openStores(config: Config, logger: Logger, clock: Clock): Stores {
  const { parts } = config;
  const usesSqlite = parts.store === 'sqlite' || parts.directory === 'sqlite' || config.encryptionSecret === undefined;
  const sqlite = usesSqlite ? openSqlite(config.embedded.data) : undefined;
  const secret = config.encryptionSecret ?? ownSecret(present(sqlite));
  const cipher = new ClientPasswordCipher(secret, config.secrets.legacyCrypto);

  const shared = parts.store === 'redis' ? openRedis(config, logger, clock) : sharedInSqlite(present(sqlite), clock);
  const accounts =
    parts.directory === 'mysql'
      ? openAccounts(config, cipher, logger, clock)
      : {
          directory: new SqlDirectory(kyselyOver(present(sqlite)), 'SQLite', cipher, clock, logger),
          probes: [],
          close: async () => {},
        };
  const times = { refreshMs: config.mysql.refreshSeconds * 1000, staleMs: config.mysql.staleSeconds * 1000 };
  const directory = new CachedDirectory(accounts.directory, times, clock, logger);

  return {
    location: shared.location,
    pool: shared.pool,
    directory,
    secret,
    cipher,
    sqlite,
    probes: [...shared.probes, ...accounts.probes],
    start: shared.start,
    forget: () => directory.clear(),
    async close() {
      await Promise.all([shared.close(), accounts.close()]);
      sqlite?.close();
    },
  };
}

function openRedis(config: Config, logger: Logger, clock: Clock) {
  const redis = connectRedis(config.redis, logger);
  const location = new RedisLocationService(redis, clock, logger);
  const index = new RealmIndexKeeper(redis, logger);
  return {
    location,
    pool: new RedisServerPool(redis, config.platform.clusterId, clock),
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

function sharedInSqlite(sqlite: Database, clock: Clock) {
  const location = new SqliteLocationService(sqlite, clock);
  const pool = new SqliteServerPool(sqlite, clock);
  return { location, pool, probes: [], start: () => location.sweepAll(), async close() {} };
}

function openAccounts(config: Config, cipher: ClientPasswordCipher, logger: Logger, clock: Clock) {
  const { pool, db } = openMysql(config.mysql, config.mysql.reader);
  const keepAlive = config.mysql.keepAliveMs;
  const ping = () => pool.promise().query('SELECT 1');
  const timer =
    keepAlive > 0
      ? setInterval(() => ping().catch((error) => logger.warn({ why: String(error) }, 'MySQL keep-alive')), keepAlive)
      : undefined;
  return {
    directory: new SqlDirectory(db, 'MySQL', cipher, clock, logger),
    probes: [{ name: 'MySQL', probe: ping }],
    async close() {
      clearInterval(timer);
      // Not through Kysely, which ends only a pool that it has used.
      await pool.promise().end();
    },
  };
}

/** SQLite was opened because one of its users is configured. */
function present(sqlite: Database | undefined): Database {
  if (!sqlite) throw new Error('SQLite is used but was not opened');
  return sqlite;
}
