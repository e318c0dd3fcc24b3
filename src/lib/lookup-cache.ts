import { DependencyError, Unavailable } from '../ports/errors.ts';
import { LruCache } from './lru-cache.ts';
import type { Clock } from './timers.ts';

/** The result of a lookup. Both times count from its arrival, milliseconds. */
export interface Lookup<T> {
  readonly value: T;
  /**
   * False: the name is unknown, and `value` says so. 'unconfirmed': anyone could have made up the name; it is kept with
   * the unknown ones until {@link LookupCache.confirm}.
   */
  readonly found: boolean | 'unconfirmed';
  /** The value is served without another lookup for this long. */
  readonly freshMs: number;
  /** The value is served for this long while lookups fail with {@link DependencyError}. */
  readonly staleMs: number;
}

export interface LookupCacheOptions<T> {
  /** The service to name in {@link Unavailable}. */
  readonly service: string;
  /** Bound on the names kept, and on the lookups under way. */
  readonly maxNames: number;
  /** Bound on the unknown and unconfirmed names kept; they never evict a known one. */
  readonly maxUnknown: number;
  /** Time until the next lookup of a name whose stale value is served, milliseconds. */
  readonly recheckMs?: number;
  /** Limits the wait for a lookup while a stale value is at hand: rejects with {@link Unavailable} when it takes too long. */
  readonly patience?: (lookup: Promise<T>, name: string) => Promise<T>;
  /** Called when the stale value of a name is first served. */
  readonly onOutage?: (name: string, error: DependencyError) => void;
}

interface Entry<T> {
  readonly value: T;
  freshUntil: number;
  readonly staleUntil: number;
  failing: boolean;
}

/**
 * Remembers values by name, looks each name up once at a time for all callers, and serves stale values while the source is
 * unavailable.
 *
 * It does not use `fetch()` of lru-cache, which puts a pending lookup into the cache, where guesses at names evict known
 * ones, and which keeps the old value of a name that has become unknown.
 */
export class LookupCache<T> {
  readonly #known: LruCache<Entry<T>>;
  readonly #unknown: LruCache<Entry<T>>;
  #pending = new Map<string, Promise<T>>();

  constructor(
    private readonly clock: Clock,
    private readonly options: LookupCacheOptions<T>,
  ) {
    this.#known = new LruCache(options.maxNames);
    this.#unknown = new LruCache(options.maxUnknown);
  }

  /**
   * @param lookUp called unless a fresh value is kept or the name is being looked up
   * @throws DependencyError when no value may be served, and any other error of `lookUp`
   */
  async get(name: string, lookUp: () => Promise<Lookup<T>>): Promise<T> {
    const entry = this.#entry(name);
    const now = this.clock.now();
    if (entry && now < entry.freshUntil) return entry.value;
    const lookup = this.#pending.get(name) ?? this.#begin(name, lookUp);
    if (!entry || now >= entry.staleUntil) return lookup;
    const { patience, recheckMs = 0, onOutage } = this.options;
    try {
      return await (patience?.(lookup, name) ?? lookup);
    } catch (error) {
      const failedAt = this.clock.now();
      if (!(error instanceof DependencyError) || failedAt >= entry.staleUntil) throw error;
      entry.freshUntil = Math.min(failedAt + recheckMs, entry.staleUntil);
      if (!entry.failing) onOutage?.(name, error);
      entry.failing = true;
      return entry.value;
    }
  }

  /** Says that a name is not made up. */
  confirm(name: string): void {
    const entry = this.#unknown.peek(name);
    if (!entry) return;
    this.#unknown.delete(name);
    this.#known.set(name, entry);
  }

  /** Forgets everything. Lookups under way are answered, but their values are not kept. */
  clear(): void {
    this.#known.clear();
    this.#unknown.clear();
    this.#pending = new Map();
  }

  #entry(name: string): Entry<T> | undefined {
    return this.#known.get(name) ?? this.#unknown.get(name);
  }

  #begin(name: string, lookUp: () => Promise<Lookup<T>>): Promise<T> {
    const pending = this.#pending;
    const { service, maxNames } = this.options;
    if (pending.size >= maxNames) return Promise.reject(new Unavailable(service, 'too many questions are open'));
    const value = lookUp()
      .then((result) => {
        if (pending === this.#pending) this.#keep(name, result);
        return result.value;
      })
      .finally(() => pending.delete(name));
    pending.set(name, value);
    return value;
  }

  #keep(name: string, { value, found, freshMs, staleMs }: Lookup<T>): void {
    const now = this.clock.now();
    const isKnown = found === true || (found === 'unconfirmed' && this.#known.has(name));
    const [cache, other] = isKnown ? [this.#known, this.#unknown] : [this.#unknown, this.#known];
    other.delete(name);
    cache.set(name, { value, freshUntil: now + freshMs, staleUntil: now + staleMs, failing: false });
  }
}
