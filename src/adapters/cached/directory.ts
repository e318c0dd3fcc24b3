import { logFault } from '../../lib/background.ts';
import type { Logger } from '../../lib/logger.ts';
import { type Lookup, LookupCache } from '../../lib/lookup-cache.ts';
import type { Clock } from '../../lib/timers.ts';
import type { Account, Client, Directory } from '../../ports/directory.ts';
import { QueryFault, Unavailable } from '../../ports/errors.ts';

export interface CacheTimes {
  /** How long a row is current, milliseconds. */
  readonly refreshMs: number;
  /** How long a row is served while the database is down, counted from when it was read, milliseconds. */
  readonly staleMs: number;
}

/** Rows of each kind; at some 500 bytes each, 50 MB at the very most. */
const MAX_ROWS = 100_000;
const MAX_UNKNOWN = 20_000;
/** How long an unknown name stays unknown; short, for users who have just been created. */
const UNKNOWN_MS = 5000;
/** Pause after a failure, so that not every REGISTER waits for the database's time-out. */
const PAUSE_MS = 1000;

/** A directory that caches rows and serves them on while the database is down. */
export class CachedDirectory implements Directory {
  readonly #accounts: LookupCache<Account | undefined>;
  readonly #clients: LookupCache<Client | undefined>;
  readonly #limits: LookupCache<number | undefined>;
  readonly #outage: Outage;

  constructor(
    private readonly directory: Directory,
    private readonly times: CacheTimes,
    clock: Clock,
    logger: Logger,
  ) {
    const options = { service: 'database', maxNames: MAX_ROWS, maxUnknown: MAX_UNKNOWN };
    this.#accounts = new LookupCache(clock, options);
    this.#clients = new LookupCache(clock, options);
    this.#limits = new LookupCache(clock, options);
    this.#outage = new Outage(clock, logger);
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
    const value = await this.#outage.guard(query);
    if (value !== undefined) return { value, found: true, freshMs: refreshMs, staleMs };
    return { value, found: false, freshMs: Math.min(UNKNOWN_MS, refreshMs), staleMs: 0 };
  }
}

/** Logs once when the database goes down and once when it is back, and pauses queries after each failure. */
class Outage {
  #pausedUntil = 0;
  #isDown = false;

  constructor(
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async guard<T>(query: () => Promise<T>): Promise<T> {
    if (this.clock.now() < this.#pausedUntil) throw new Unavailable('database', 'down a moment ago');
    try {
      const result = await query();
      this.#answered();
      return result;
    } catch (error) {
      if (error instanceof QueryFault) {
        this.#answered();
        logFault(this.logger, 'query of the database', error, this.clock);
        throw error;
      }
      if (!(error instanceof Unavailable)) throw error;
      this.#pausedUntil = this.clock.now() + PAUSE_MS;
      if (!this.#isDown) this.logger.warn({ why: error.message }, 'database is down, cached rows serve on');
      this.#isDown = true;
      throw error;
    }
  }
  #answered(): void {
    if (this.#isDown) this.logger.info({}, 'database is back');
    this.#isDown = false;
  }
}
