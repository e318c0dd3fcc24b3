import type { Database } from 'bun:sqlite';
import { SqlCarriers } from '../adapters/sql/carriers.ts';
import type { ClientPasswordCipher } from '../adapters/sql/client-password.ts';
import { SqlDirectory } from '../adapters/sql/directory.ts';
import { kyselyOver } from '../adapters/sql/sqlite.ts';
import { SqliteAbuseStore } from '../adapters/sqlite/abuse-store.ts';
import { Committer } from '../adapters/sqlite/committer.ts';
import { claimDataDirectory } from '../adapters/sqlite/data-directory.ts';
import { inDirectory } from '../adapters/sqlite/data-error.ts';
import { openFiles } from '../adapters/sqlite/database-files.ts';
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
import { recordStart, unlockSecrets } from '../adapters/sqlite/settings.ts';
import { SqliteTrunkContacts } from '../adapters/sqlite/trunk-contacts.ts';
import { WriteAheadLog } from '../adapters/sqlite/write-ahead-log.ts';
import type { Config } from '../config/index.ts';
import type { Dependency } from '../lib/dependency.ts';
import type { Logger } from '../lib/logger.ts';
import { type Clock, systemTimers } from '../lib/timers.ts';
import { abusePolicy } from './abuse.ts';
import type { DatabaseStores, Opened, SharedStores, Starting } from './stores.ts';

/** The database of embedded mode, in a data directory that no other process has. */
export interface Data {
  readonly directory: string;
  readonly sqlite: Database;
  readonly committer: Committer;
  readonly dependency: Dependency;
  /** From now on a commit is on disk only when the committer says so. */
  start(): void;
  close(): Promise<void>;
}

/** @throws DataError */
export function openData(directory: string, logger: Logger): Data {
  const claimed = claimDataDirectory(directory);
  const { path } = claimed;
  try {
    const sqlite = openSqlite(path);
    const files = inDirectory(path, () => openFiles(sqlite.filename));
    const log = inDirectory(path, () => new WriteAheadLog(sqlite, files, logger));
    inDirectory(path, () => recordStart(sqlite));
    const committer = new Committer(sqlite, log, systemTimers, endProcess);
    return {
      directory: path,
      sqlite,
      committer,
      dependency: sqliteDependency(sqlite, committer, path, logger),
      start() {
        log.start();
        committer.start();
      },
      async close() {
        await committer.stop();
        // After a SyncFault the log must be kept, and closing would delete it.
        if (committer.outage) return;
        await log.close();
        sqlite.close();
        files.close();
        claimed.release();
      },
    };
  } catch (error) {
    claimed.release();
    throw error;
  }
}

/** Ends the process with this error as its reason, once the responses that are due have been sent. */
function endProcess(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}

/** What the sidecars of a cluster share, in the SQLite of a single one. */
export function sharedInSqlite(
  { directory, sqlite, committer, dependency }: Data,
  config: Config,
  logger: Logger,
  clock: Clock,
): SharedStores & Opened & Starting {
  const location = new SqliteLocationService(sqlite, committer, systemTimers, logger);
  return {
    store: dependency,
    location,
    registrations: new SqliteRegistrations(sqlite, clock),
    registrationCounts: new SqliteRegistrationCounts(sqlite, clock),
    pool: new SqliteServerPool(sqlite, committer, clock),
    lease: new SqliteLease(sqlite, config.platform.clusterId),
    ephemeral: new SqliteEphemeralGateways(sqlite, clock),
    blacklist: new SqliteGatewayBlacklist(sqlite, clock),
    contacts: new SqliteTrunkContacts(sqlite),
    abuse: new SqliteAbuseStore(sqlite, abusePolicy(config), clock),
    start: () => inDirectory(directory, () => location.start()),
    close: async () => location.stop(),
  };
}

/** The platform's database in SQLite. */
export function databaseInSqlite(
  { directory, sqlite, dependency }: Data,
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
  const server = { db: kyselyOver(sqlite), dependency };
  return {
    database: dependency,
    directory: decryptedDirectory(new SqlDirectory(server, SQLITE_TIMEOUT_MS, cipher, clock, logger), cipher),
    carriers: decryptedCarriers(new SqlCarriers(server, server, logger), cipher),
    addresses: new SqliteSbcAddresses(sqlite),
    provisioning: new SqliteProvisioning(sqlite, cipher),
    async close() {},
  };
}
