import type { Database } from 'bun:sqlite';
import { background } from '../../lib/background.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Timer, Timers } from '../../lib/timers.ts';
import { Unavailable } from '../../ports/errors.ts';
import type {
  Aor,
  AorState,
  Binding,
  BindingSource,
  LocationService,
  LookupOptions,
  Removal,
  Update,
  UpdateOutcome,
} from '../../ports/location.ts';
import { aorName } from '../../sip/aor.ts';
import { isSameBinding } from '../../sip/binding-identity.ts';
import { bindingToJson, compareBindings, liveBindings, rankBindings, type StoredBinding } from '../binding-json.ts';
import type { Committer } from './committer.ts';
import { guarded } from './guarded.ts';
import { locationStatements } from './location-statements.ts';

/** At most this many expired AORs, and as many nonces, are deleted with each commit. */
const SWEEP_LIMIT = 100;
const MAX_PENDING_CHANGES = 10_000;
const SWEEP_INTERVAL_MS = 1000;

interface PendingChange {
  readonly name: string;
  /** Runs within the transaction. @returns a function to call after the sync, which resolves the caller's promise */
  readonly apply: (now: number) => () => void;
  readonly reject: (error: Error) => void;
}

interface PendingLookup {
  readonly name: string;
  readonly read: (now: number) => AorState;
  readonly resolve: (state: AorState) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Updates that arrive until the committer takes the next group share one transaction. A lookup of an AOR whose update is
 * not on disk yet waits for that.
 */
export class SqliteLocationService implements LocationService {
  #queue: PendingChange[] = [];
  /** AORs with updates that are committed and may not be on disk. */
  readonly #unsynced = new Set<string>();
  #lookups: PendingLookup[] = [];
  #willRead = false;
  readonly #sql: ReturnType<typeof locationStatements>;
  readonly #onExpired: ((aor: string) => void)[] = [];
  #timer: Timer | undefined;

  constructor(
    private readonly database: Database,
    private readonly committer: Committer,
    private readonly timers: Timers,
    private readonly logger: Logger,
  ) {
    this.#sql = locationStatements(database);
  }

  /** Deletes all that expired while the process was down. Commits delete what expires later, at the latest each second. */
  start(): void {
    const sweep = this.database.transaction(() => this.#sweep(this.timers.now()));
    for (let swept = SWEEP_LIMIT; swept === SWEEP_LIMIT; ) {
      const { expired, deleted } = sweep();
      this.#report(expired);
      swept = deleted;
    }
    this.#scheduleSweep();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  onExpired(listener: (aor: string) => void): void {
    this.#onExpired.push(listener);
  }

  #scheduleSweep(): void {
    this.#timer = this.timers.after(SWEEP_INTERVAL_MS, () => {
      this.#scheduleSweep();
      background(this.logger, 'removal of expired AORs', () => this.sweepExpired(), this.timers);
    });
  }

  /** Commits when there are expired AORs. @throws DependencyError */
  async sweepExpired(): Promise<void> {
    const [expired] = guarded(() => this.#sql.expiredAors.all(this.timers.now(), 1));
    if (expired) await this.#durably('', () => {});
  }

  #report(expired: readonly string[]): void {
    for (const aor of expired) for (const listener of this.#onExpired) listener(aor);
  }

  lookup(aor: Aor, { several, nonceId }: LookupOptions): Promise<AorState> {
    const name = aorName(aor);
    const read = (now: number): AorState => ({
      bindings: this.#live(name, now)
        .slice(0, several ? undefined : 1)
        .map(({ binding }) => binding),
      lastNonceCount: nonceId === undefined ? 0 : (this.#sql.nonce.get(nonceId)?.count ?? 0),
    });
    return new Promise((resolve, reject) => {
      this.#lookups.push({ name, read, resolve, reject });
      if (this.#willRead) return;
      this.#willRead = true;
      setImmediate(() => {
        this.#willRead = false;
        this.#read();
      });
    });
  }

  /** Reads for every lookup of this turn of the event loop in one transaction: its locks cost more than a read. */
  #read(): void {
    const batch = this.#lookups.filter(({ name }) => !this.#unsynced.has(name));
    this.#lookups = this.#lookups.filter(({ name }) => this.#unsynced.has(name));
    const now = this.timers.now();
    try {
      if (this.committer.outage) throw this.committer.outage;
      const states = guarded(this.database.transaction(() => batch.map(({ read }) => read(now))));
      for (const [i, state] of states.entries()) batch[i]?.resolve(state);
    } catch (error) {
      rejectAll(batch, error);
    }
  }

  update(update: Update): Promise<UpdateOutcome> {
    return this.#durably(aorName(update.aor), (now) => this.#apply(update, now));
  }

  removeFrom(aor: Aor, { proxy, protocol, savedUntil }: BindingSource): Promise<Removal> {
    const name = aorName(aor);
    return this.#durably(name, (now) => {
      const before = this.#live(name, now);
      const after = before.filter(
        ({ binding: b }) => b.proxy !== proxy || b.protocol !== protocol || b.savedAt > savedUntil,
      );
      const removed = before.filter((stored) => !after.includes(stored));
      if (removed.length > 0) this.#store(name, undefined, before, after);
      return { removed: removed.map(({ binding }) => binding), remaining: after.length };
    });
  }

  #durably<T>(name: string, change: (now: number) => T): Promise<T> {
    if (this.#queue.length >= MAX_PENDING_CHANGES)
      return Promise.reject(new Unavailable('SQLite', 'too many updates wait'));
    return new Promise((resolve, reject) => {
      const apply = (now: number) => {
        const outcome = change(now);
        return () => resolve(outcome);
      };
      if (this.#queue.push({ name, apply, reject }) === 1) void this.#commit();
    });
  }

  async #commit(): Promise<void> {
    let batch: readonly PendingChange[] | undefined;
    const take = () => {
      const taken = this.#queue;
      this.#queue = [];
      return taken;
    };
    try {
      const { expired, resolvers } = await this.committer.durably(() => {
        batch = take();
        for (const { name } of batch) this.#unsynced.add(name);
        const now = this.timers.now();
        return { expired: this.#sweep(now).expired, resolvers: batch.map(({ apply }) => apply(now)) };
      });
      this.#report(expired);
      for (const resolve of resolvers) resolve();
    } catch (error) {
      rejectAll(batch ?? take(), error);
    }
    this.#unsynced.clear();
    if (this.#lookups.length > 0) this.#read();
  }

  #apply(update: Update, now: number): UpdateOutcome {
    const { aor, accountRealm, callId, cseq, save, remove, maxContacts, maxAors, nonce } = update;
    const name = aorName(aor);
    const before = this.#live(name, now);
    if (nonce && nonce.count <= (this.#sql.nonce.get(nonce.id)?.count ?? 0))
      return { ok: false, refusal: 'replay', bindings: before.map(({ binding }) => binding) };

    const successor = (b: Binding) => save.find((saved) => isSameBinding(saved, b));
    const isRemoved = (b: Binding) => remove === 'all' || remove.some((identity) => isSameBinding(identity, b));
    const isAffected = (b: Binding) => isRemoved(b) || successor(b) !== undefined;
    const isLate = (b: Binding) => b.callId === callId && cseq <= b.cseq && (nonce?.issuedAt ?? 0) <= b.savedAt;
    if (before.some(({ binding }) => isAffected(binding) && isLate(binding)))
      return { ok: false, refusal: 'out-of-order' };

    const adds = save.length > 0;
    const kept = adds && maxContacts === 1 ? [] : before.filter(({ binding }) => !isAffected(binding));
    const after = [...rankBindings(save), ...kept].sort(compareBindings);
    if (adds && after.length > maxContacts) return { ok: false, refusal: 'too-many-contacts' };
    const counts = adds && maxAors !== undefined && (maxAors === 0 || before.length === 0);
    if (counts && this.#countAors(accountRealm, now) >= maxAors) return { ok: false, refusal: 'too-many-aors' };

    if (nonce) this.#sql.setNonce.run(nonce.id, nonce.count, nonce.expiresAt);
    if (adds || after.length !== before.length) this.#store(name, accountRealm, before, after);
    const predecessor = (b: Binding) => before.findLast(({ binding }) => successor(binding) === b);
    return {
      ok: true,
      bindings: after.map(({ binding }) => binding),
      renewed: save.map((b) => predecessor(b)?.binding.proxy),
      ended: before.flatMap(({ binding: b }) =>
        after.some(({ binding }) => binding === b) || successor(b) ? [] : [b],
      ),
    };
  }

  /** @param accountRealm undefined: the one that the AOR is counted for already */
  #store(
    name: string,
    accountRealm: string | undefined,
    before: readonly StoredBinding[],
    after: readonly StoredBinding[],
  ): void {
    for (const b of before) if (!after.includes(b)) this.#sql.deleteBinding.run(name, b.binding.key);
    for (const b of after) if (!before.includes(b)) this.#sql.setBinding.run(name, b.binding.key, bindingToJson(b));
    const counted = this.#sql.aor.get(name)?.realm;
    const realm = accountRealm ?? counted;
    if (after.length === 0 || realm === undefined) {
      if (counted !== undefined) this.#deleteAor(name, counted);
      return;
    }
    this.#sql.setAor.run(name, realm, Math.max(...after.map((b) => b.binding.expiryTime)));
    if (counted === realm) return;
    this.#sql.addToRealm.run(realm, 1);
    if (counted !== undefined) this.#sql.addToRealm.run(counted, -1);
  }

  #live(name: string, now: number): StoredBinding[] {
    return liveBindings(
      this.#sql.bindings.all(name).map((row) => row.json),
      now,
      () => {},
    );
  }

  /** The stored count minus the AORs that expired since the last sweep. */
  #countAors(realm: string, now: number): number {
    const expired = this.#sql.expiredInRealm.get(now, realm)?.aors ?? 0;
    return (this.#sql.realm.get(realm)?.aors ?? 0) - expired;
  }

  /** Deletes up to {@link SWEEP_LIMIT} expired AORs and nonces. @returns the AORs, and the larger of the two numbers */
  #sweep(now: number): { expired: string[]; deleted: number } {
    const expired = this.#sql.expiredAors.all(now, SWEEP_LIMIT);
    for (const { aor, realm } of expired) this.#deleteAor(aor, realm);
    const nonces = this.#sql.sweepNonces.run(now, SWEEP_LIMIT).changes;
    return { expired: expired.map(({ aor }) => aor), deleted: Math.max(expired.length, nonces) };
  }

  #deleteAor(name: string, realm: string): void {
    this.#sql.deleteBindings.run(name);
    this.#sql.deleteAor.run(name);
    this.#sql.addToRealm.run(realm, -1);
  }
}

function rejectAll(waiting: readonly { reject(error: Error): void }[], error: unknown): void {
  for (const { reject } of waiting) reject(error instanceof Error ? error : new Error(String(error)));
}
