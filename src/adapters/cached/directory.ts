import { LRUCache } from 'lru-cache';
import type { Logger } from '../../lib/logger.ts';
import type { Clock } from '../../lib/timers.ts';
import type { Account, Client, Directory } from '../../ports/directory.ts';
import { Unavailable } from '../../ports/errors.ts';

export interface CacheTimes {
  /** How long a row is taken for current, milliseconds. */
  readonly refreshMs: number;
  /** How long it serves on while the database is down, milliseconds. */
  readonly staleMs: number;
}

/** Rows of each kind; at some 500 bytes each, 50 MB at the very most. */
const MAX_ROWS = 100_000;
/** Names that are in no row are remembered apart, so that guessing names drives out no real one. */
const MAX_UNKNOWN = 20_000;
/** Short, because a user who has just been created should not be told for long that there is none. */
const UNKNOWN_MS = 5000;
/** After a failure the database is left alone for this long, so that not every REGISTER waits for its time-out. */
const PAUSE_MS = 1000;

/**
 * A directory that remembers: the database is asked once for all who ask at the same time, and what it said last serves
 * on while it is down. What it says after that counts at once.
 */
export class CachedDirectory implements Directory {
  readonly #accounts: Cache<Account>;
  readonly #clients: Cache<Client>;
  readonly #limits: Cache<number>;

  constructor(
    private readonly directory: Directory,
    times: CacheTimes,
    clock: Clock,
    logger: Logger,
  ) {
    const outage = new Outage(clock, logger);
    this.#accounts = new Cache(times, clock, outage);
    this.#clients = new Cache(times, clock, outage);
    this.#limits = new Cache(times, clock, outage);
  }

  accountByRealm(realm: string): Promise<Account | undefined> {
    return this.#accounts.get(realm, () => this.directory.accountByRealm(realm));
  }

  client(accountSid: string, username: string): Promise<Client | undefined> {
    return this.#clients.get(`${accountSid}/${username}`, () => this.directory.client(accountSid, username));
  }

  async deviceLimit(account: Account): Promise<number> {
    return (await this.#limits.get(account.sid, () => this.directory.deviceLimit(account))) ?? 0;
  }

  /** Forgets everything, so that a change counts at once. */
  clear(): void {
    for (const cache of [this.#accounts, this.#clients, this.#limits]) cache.clear();
  }
}

interface Row<T> {
  readonly value: T;
  readonly readAt: number;
}

class Cache<T extends object | number> {
  readonly #rows = new LRUCache<string, Row<T>>({ max: MAX_ROWS });
  /** Name → when it was found to be unknown. */
  readonly #unknown = new LRUCache<string, number>({ max: MAX_UNKNOWN });
  readonly #asking = new Map<string, Promise<T | undefined>>();

  constructor(
    private readonly times: CacheTimes,
    private readonly clock: Clock,
    private readonly outage: Outage,
  ) {}

  async get(name: string, ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const now = this.clock.now();
    const row = this.#rows.get(name);
    if (row && now - row.readAt < this.times.refreshMs) return row.value;
    const unknownSince = this.#unknown.get(name);
    if (unknownSince !== undefined && now - unknownSince < Math.min(UNKNOWN_MS, this.times.refreshMs)) return undefined;

    try {
      return await this.#askOnce(name, ask);
    } catch (error) {
      if (error instanceof Unavailable && row && this.clock.now() - row.readAt < this.times.staleMs) return row.value;
      throw error;
    }
  }

  clear(): void {
    this.#rows.clear();
    this.#unknown.clear();
  }

  #askOnce(name: string, ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const asking = this.#asking.get(name);
    if (asking) return asking;
    const answer = this.outage
      .guard(ask)
      .then((value) => this.#remember(name, value))
      .finally(() => this.#asking.delete(name));
    this.#asking.set(name, answer);
    return answer;
  }

  #remember(name: string, value: T | undefined): T | undefined {
    const readAt = this.clock.now();
    if (value === undefined) {
      this.#rows.delete(name);
      this.#unknown.set(name, readAt);
    } else {
      this.#rows.set(name, { value, readAt });
      this.#unknown.delete(name);
    }
    return value;
  }
}

/** Knows whether the database is down, says so in the log once, and spares it and us questions meanwhile. */
class Outage {
  #until = 0;
  #down = false;

  constructor(
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async guard<T>(ask: () => Promise<T>): Promise<T> {
    if (this.clock.now() < this.#until) throw new Unavailable('database', 'down a moment ago');
    try {
      const answer = await ask();
      if (this.#down) this.logger.info({}, 'database is back');
      this.#down = false;
      return answer;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      this.#until = this.clock.now() + PAUSE_MS;
      if (!this.#down) this.logger.warn({ why: error.message }, 'database is down, cached rows serve on');
      this.#down = true;
      throw error;
    }
  }
}
