import { logFault } from '../../lib/background.ts';
import type { Logger } from '../../lib/logger.ts';
import { type Lookup, LookupCache } from '../../lib/lookup-cache.ts';
import type { Clock } from '../../lib/timers.ts';
import type { Account, Client, Directory } from '../../ports/directory.ts';
import { QueryFault } from '../../ports/errors.ts';

export interface CacheTimes {
  /** How long a row is current, milliseconds. */
  readonly refreshMs: number;
  /** How long a row is served while the database is down, counted from when it was read, milliseconds. */
  readonly staleMs: number;
}

/** Rows of each kind; at some 500 bytes each, 50 MB at the very most. */
const MAX_ROWS = 100_000;
/** For phones that ask again with a wrong name; names that a scanner makes up are asked for once. */
const MAX_UNKNOWN = 5_000;
/** How long an unknown name stays unknown; short, for users who have just been created. */
const UNKNOWN_MS = 5000;

/** A directory that caches rows and serves them on while the database is down. */
export class CachedDirectory implements Directory {
  readonly #accounts: LookupCache<Account | undefined>;
  readonly #clients: LookupCache<Client | undefined>;
  readonly #limits: LookupCache<number | undefined>;

  constructor(
    private readonly directory: Directory,
    private readonly times: CacheTimes,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    const options = { service: 'database', maxNames: MAX_ROWS, maxUnknown: MAX_UNKNOWN };
    this.#accounts = new LookupCache(clock, options);
    this.#clients = new LookupCache(clock, options);
    this.#limits = new LookupCache(clock, options);
  }

  accountByRealm(realm: string): Promise<Account | undefined> {
    return this.#accounts.get(realm, async () => {
      const lookup = await this.#read(() => this.directory.accountByRealm(realm));
      // Anyone can make up sub-domains of an account's realm.
      const isSubdomain = lookup.value !== undefined && lookup.value.realm !== realm;
      return isSubdomain ? { ...lookup, found: 'unconfirmed' } : lookup;
    });
  }

  authenticated(realm: string): void {
    this.#accounts.confirm(realm);
  }

  client(accountSid: string, username: string): Promise<Client | undefined> {
    const read = () => this.directory.client(accountSid, username);
    return this.#clients.get(`${accountSid}/${username}`, () => this.#read(read));
  }

  async deviceLimit(account: Account): Promise<number> {
    return (await this.#limits.get(account.sid, () => this.#read(() => this.directory.deviceLimit(account)))) ?? 0;
  }

  /** Forgets everything, so that a change counts at once. */
  clear(): void {
    this.#accounts.clear();
    this.#clients.clear();
    this.#limits.clear();
  }

  async #read<T>(query: () => Promise<T | undefined>): Promise<Lookup<T | undefined>> {
    const { refreshMs, staleMs } = this.times;
    const value = await this.#asked(query);
    if (value !== undefined) return { value, found: true, freshMs: refreshMs, staleMs };
    return { value, found: false, freshMs: Math.min(UNKNOWN_MS, refreshMs), staleMs: 0 };
  }

  async #asked<T>(query: () => Promise<T>): Promise<T> {
    try {
      return await query();
    } catch (error) {
      if (error instanceof QueryFault) logFault(this.logger, 'query of the database', error, this.clock);
      throw error;
    }
  }
}
