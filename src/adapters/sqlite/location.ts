import type { Database } from 'bun:sqlite';
import type { Clock } from '../../lib/timers.ts';
import { Unavailable } from '../../ports/errors.ts';
import type {
  Aor,
  AorState,
  Binding,
  BindingSource,
  LocationService,
  LookupOptions,
  Update,
  UpdateOutcome,
} from '../../ports/location.ts';
import { isSameBinding } from '../../sip/binding-identity.ts';
import { bindingToJson, compareBindings, liveBindings, rankBindings, type StoredBinding } from '../binding-json.ts';
import { guarded } from './guarded.ts';

/** At most this many expired AORs, and as many nonces, are deleted with each commit. */
const SWEEP_LIMIT = 100;
const MAX_PENDING_CHANGES = 10_000;

interface PendingChange {
  /** Runs within the transaction. @returns a function to call after the commit, which resolves the caller's promise */
  readonly apply: (now: number) => () => void;
  readonly reject: (error: Error) => void;
}

interface PendingLookup {
  readonly read: (now: number) => AorState;
  readonly resolve: (state: AorState) => void;
  readonly reject: (error: Error) => void;
}

/** Updates that arrive in one turn of the event loop share one transaction, and so one sync to disk. */
export class SqliteLocationService implements LocationService {
  #queue: PendingChange[] = [];
  #lookups: PendingLookup[] = [];
  readonly #sql: ReturnType<typeof statements>;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {
    this.#sql = statements(database);
  }

  /** Deletes all that expired while the process was down. Commits delete what expires later. */
  sweepAll(): void {
    const sweep = this.database.transaction(() => this.#sweep(this.clock.now()));
    while (sweep() === SWEEP_LIMIT);
  }

  lookup(aor: Aor, { several, nonceId }: LookupOptions): Promise<AorState> {
    const read = (now: number): AorState => ({
      bindings: this.#live(nameOf(aor), now)
        .slice(0, several ? undefined : 1)
        .map(({ binding }) => binding),
      lastNonceCount: nonceId === undefined ? 0 : (this.#sql.nonce.get(nonceId)?.count ?? 0),
    });
    return new Promise((resolve, reject) => {
      if (this.#lookups.push({ read, resolve, reject }) === 1) setImmediate(() => this.#read());
    });
  }

  /** Reads for every lookup of this turn of the event loop in one transaction: its locks cost more than a read. */
  #read(): void {
    const batch = this.#lookups;
    this.#lookups = [];
    const now = this.clock.now();
    try {
      const states = guarded(this.database.transaction(() => batch.map(({ read }) => read(now))));
      for (const [i, state] of states.entries()) batch[i]?.resolve(state);
    } catch (error) {
      for (const { reject } of batch) reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  update(update: Update): Promise<UpdateOutcome> {
    return this.#durably((now) => this.#apply(update, now));
  }

  removeFrom(aor: Aor, { proxy, protocol, savedUntil }: BindingSource): Promise<number> {
    return this.#durably((now) => {
      const before = this.#live(nameOf(aor), now);
      const after = before.filter(
        ({ binding: b }) => b.proxy !== proxy || b.protocol !== protocol || b.savedAt > savedUntil,
      );
      if (after.length < before.length) this.#store(nameOf(aor), undefined, before, after);
      return before.length - after.length;
    });
  }

  #durably<T>(change: (now: number) => T): Promise<T> {
    if (this.#queue.length >= MAX_PENDING_CHANGES)
      return Promise.reject(new Unavailable('SQLite', 'too many updates wait'));
    return new Promise((resolve, reject) => {
      const apply = (now: number) => {
        const outcome = change(now);
        return () => resolve(outcome);
      };
      if (this.#queue.push({ apply, reject }) === 1) setImmediate(() => this.#commit());
    });
  }

  #commit(): void {
    const batch = this.#queue;
    this.#queue = [];
    const now = this.clock.now();
    try {
      const resolvers = guarded(
        this.database.transaction(() => {
          this.#sweep(now);
          return batch.map(({ apply }) => apply(now));
        }),
      );
      for (const resolve of resolvers) resolve();
    } catch (error) {
      for (const { reject } of batch) reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #apply(update: Update, now: number): UpdateOutcome {
    const { aor, accountRealm, callId, cseq, save, remove, maxContacts, maxAors, nonce } = update;
    const name = nameOf(aor);
    const before = this.#live(name, now);
    if (nonce && nonce.count <= (this.#sql.nonce.get(nonce.id)?.count ?? 0))
      return { ok: false, refusal: 'replay', bindings: before.map(({ binding }) => binding) };

    const isAffected = (b: Binding) =>
      remove === 'all' || [...remove, ...save].some((identity) => isSameBinding(identity, b));
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
    return { ok: true, bindings: after.map(({ binding }) => binding) };
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

  /** Deletes up to {@link SWEEP_LIMIT} expired AORs and nonces. @returns the larger of the two numbers */
  #sweep(now: number): number {
    const expired = this.#sql.expiredAors.all(now, SWEEP_LIMIT);
    for (const { aor, realm } of expired) this.#deleteAor(aor, realm);
    return Math.max(expired.length, this.#sql.sweepNonces.run(now, SWEEP_LIMIT).changes);
  }

  #deleteAor(name: string, realm: string): void {
    this.#sql.deleteBindings.run(name);
    this.#sql.deleteAor.run(name);
    this.#sql.addToRealm.run(realm, -1);
  }
}

function nameOf({ user, realm }: Aor): string {
  return `${user}@${realm}`;
}

function statements(db: Database) {
  return {
    bindings: db.query<{ json: string }, [string]>('SELECT json FROM bindings WHERE aor = ?'),
    setBinding: db.query('INSERT OR REPLACE INTO bindings (aor, key, json) VALUES (?, ?, ?)'),
    deleteBinding: db.query('DELETE FROM bindings WHERE aor = ? AND key = ?'),
    deleteBindings: db.query('DELETE FROM bindings WHERE aor = ?'),
    aor: db.query<{ realm: string }, [string]>('SELECT realm FROM aors WHERE aor = ?'),
    setAor: db.query('INSERT OR REPLACE INTO aors (aor, realm, expiry) VALUES (?, ?, ?)'),
    deleteAor: db.query('DELETE FROM aors WHERE aor = ?'),
    expiredAors: db.query<{ aor: string; realm: string }, [number, number]>(
      'SELECT aor, realm FROM aors WHERE expiry <= ? LIMIT ?',
    ),
    expiredInRealm: db.query<{ aors: number }, [number, string]>(
      'SELECT count(*) AS aors FROM aors WHERE expiry <= ? AND realm = ?',
    ),
    realm: db.query<{ aors: number }, [string]>('SELECT aors FROM realms WHERE realm = ?'),
    addToRealm: db.query(
      'INSERT INTO realms (realm, aors) VALUES (?1, ?2) ON CONFLICT (realm) DO UPDATE SET aors = aors + ?2',
    ),
    nonce: db.query<{ count: number }, [string]>('SELECT count FROM nonces WHERE id = ?'),
    setNonce: db.query('INSERT OR REPLACE INTO nonces (id, count, expiry) VALUES (?, ?, ?)'),
    sweepNonces: db.query('DELETE FROM nonces WHERE id IN (SELECT id FROM nonces WHERE expiry <= ? LIMIT ?)'),
  };
}
