import { CachedCarriers } from '../adapters/cached/carriers.ts';
import { CachedDirectory } from '../adapters/cached/directory.ts';
import { ClientPasswordCipher } from '../adapters/sql/client-password.ts';
import { ownSecret } from '../adapters/sqlite/settings.ts';
import type { Config } from '../config/index.ts';
import type { Dependency } from '../lib/dependency.ts';
import type { Logger } from '../lib/logger.ts';
import type { Clock } from '../lib/timers.ts';
import type { AbuseStore } from '../ports/abuse-store.ts';
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
import { databaseInMysql } from './mysql-stores.ts';
import { sharedInRedis } from './redis-stores.ts';
import { type Data, databaseInSqlite, openData, sharedInSqlite } from './sqlite-stores.ts';

/** State that the sidecars of a cluster share: in Redis, or in the SQLite of a single sidecar. */
export interface SharedStores {
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
export interface DatabaseStores {
  readonly database: Dependency;
  /** Where writes go, if that is another server than `database`. */
  readonly databaseWriter?: Dependency;
  readonly directory: Directory;
  readonly carriers: CarrierDirectory;
  readonly addresses: SbcAddresses;
  readonly provisioning?: ProvisioningStore;
}

export interface Opened {
  close(): Promise<void>;
}

export interface Starting {
  /** Starts background work; call when store and database have answered. */
  start(): void;
}

export interface Stores extends SharedStores, DatabaseStores, Opened, Starting {
  /** Encrypts client passwords, and keys nonces. */
  readonly secret: string;
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
    start() {
      data?.start();
      shared.start();
    },
    async close() {
      await Promise.all([shared.close(), database.close()]);
      await data?.close();
    },
  };
}

function present(data: Data | undefined): Data {
  if (!data) throw new Error('SQLite is used but was not opened');
  return data;
}
