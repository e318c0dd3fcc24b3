import type { Redis } from 'ioredis';
import { background } from '../../lib/background.ts';
import type { Logger } from '../../lib/logger.ts';
import { OncePer } from '../../lib/once-per.ts';
import type { Timer, Timers } from '../../lib/timers.ts';
import { QueryFault } from '../../ports/errors.ts';
import type {
  Aor,
  AorState,
  Binding,
  BindingSource,
  LocationService,
  LookupOptions,
  Removal,
  Update,
  Updated,
  UpdateOutcome,
} from '../../ports/location.ts';
import { aorName } from '../../sip/aor.ts';
import { bindingToJson, liveBindings, rankBindings } from '../binding-json.ts';
import { ask } from './connection.ts';
import { keys } from './keys.ts';
import { textOf, textsOf } from './replies.ts';
import { Script } from './script.ts';
import { EXPIRE, PROMOTE, REMOVE_FROM, UPDATE } from './scripts.ts';

const update = new Script(UPDATE);
const promote = new Script(PROMOTE);
const removeFrom = new Script(REMOVE_FROM);
const expire = new Script(EXPIRE);

/** The longest that `user:<aor>` may be missing while other bindings are live, milliseconds. */
const SWEEP_INTERVAL_MS = 1000;
/** AORs per command or script. */
const SWEEP_BATCH = 200;
/** Between two warnings about what is stored for one AOR, milliseconds. */
const MALFORMED_INTERVAL_MS = 3_600_000;

export class RedisLocationService implements LocationService {
  #sweep: Timer | undefined;
  readonly #onExpired: ((aor: string) => void)[] = [];
  readonly #malformed: OncePer;

  constructor(
    private readonly redis: Redis,
    private readonly timers: Timers,
    private readonly logger: Logger,
  ) {
    this.#malformed = new OncePer(MALFORMED_INTERVAL_MS, timers);
  }

  async lookup(aor: Aor, { several, nonceId }: LookupOptions): Promise<AorState> {
    // Commands of one turn of the event loop are sent together.
    const [newest, others, used] = await ask(() =>
      Promise.all([
        this.redis.get(keys.user(aor)),
        several ? this.redis.hvals(keys.others(aor)) : [],
        nonceId === undefined ? null : this.redis.get(keys.nonce(nonceId)),
      ]),
    );
    const first = textOf(newest);
    // A binding may have moved from one key to the other in between.
    const jsons = new Set(first === undefined ? textsOf(others) : [first, ...textsOf(others)]);
    return { bindings: this.#live(jsons, aor, this.timers.now()), lastNonceCount: Number(textOf(used) ?? 0) };
  }

  async update(change: Update): Promise<UpdateOutcome> {
    const { aor, nonce, remove } = change;
    const now = this.timers.now();
    const removals =
      remove === 'all' ? ['all'] : [remove.length, ...remove.flatMap(({ key, uri, contact }) => [key, uri, contact])];
    const saves = rankBindings(change.save).flatMap((stored) => {
      const { key, uri, contact, expiryTime, savedAt } = stored.binding;
      return [key, uri, contact, expiryTime, savedAt, bindingToJson(stored)];
    });
    const reply = await ask(() =>
      update.run(
        this.redis,
        [...bindingKeys(aor, change.accountRealm), nonce ? keys.nonce(nonce.id) : ''],
        [
          now,
          change.accountRealm,
          aorName(aor),
          change.callId,
          change.cseq,
          change.maxContacts,
          change.maxAors ?? '',
          nonce?.count ?? '',
          nonce?.issuedAt ?? '',
          nonce ? Math.max(1, nonce.expiresAt - now) : '',
          ...removals,
          ...saves,
        ],
      ),
    );
    const [verdict, ...bindings] = textsOf(reply);
    switch (verdict) {
      case 'ok':
        return this.#updated(bindings, aor, now);
      case 'replay':
        return { ok: false, refusal: verdict, bindings: this.#live(bindings, aor, now) };
      case 'out-of-order':
      case 'too-many-contacts':
      case 'too-many-aors':
        return { ok: false, refusal: verdict };
      default:
        throw new QueryFault('Redis', `unexpected reply of the update script: ${verdict}`, 'UNEXPECTED');
    }
  }

  async removeFrom(aor: Aor, { proxy, protocol, savedUntil }: BindingSource): Promise<Removal> {
    const now = this.timers.now();
    const args = [now, aor.realm, aorName(aor), keys.realmIndex(''), proxy, protocol, savedUntil];
    const reply = textsOf(await ask(() => removeFrom.run(this.redis, bindingKeys(aor, aor.realm), args)));
    const [remaining, ...removed] = reply;
    return { removed: this.#live(removed, aor, now), remaining: Number(remaining) };
  }

  onExpired(listener: (aor: string) => void): void {
    this.#onExpired.push(listener);
  }

  /** @param reply of the update script, after its verdict */
  #updated(reply: readonly string[], aor: Aor, now: number): Updated {
    const afterSaved = 1 + Number(reply[0]);
    const afterEnded = afterSaved + 1 + Number(reply[afterSaved]);
    return {
      ok: true,
      bindings: this.#live(reply.slice(afterEnded), aor, now),
      renewed: reply.slice(1, afterSaved).map((proxy) => (proxy === '' ? undefined : proxy.slice(1))),
      ended: this.#live(reply.slice(afterSaved + 1, afterEnded), aor, now),
    };
  }

  #live(jsons: Iterable<string>, aor: Aor, now: number): Binding[] {
    const live = liveBindings(jsons, now, () => {
      if (this.#malformed.isDue(aorName(aor))) this.logger.warn({ aor }, 'a stored binding is malformed, skipped');
    });
    return live.map(({ binding }) => binding);
  }

  /** Starts to promote the next binding of an AOR whenever the newest expires, and to report expired AORs. */
  start(): void {
    if (!this.#sweep) this.#scheduleSweep();
  }

  stop(): void {
    this.#sweep?.cancel();
    this.#sweep = undefined;
  }

  #scheduleSweep(): void {
    this.#sweep = this.timers.after(SWEEP_INTERVAL_MS, () => {
      this.#scheduleSweep();
      background(this.logger, 'promotion of bindings', () => this.promoteDue(), this.timers);
      background(this.logger, 'removal of expired AORs', () => this.removeExpired(), this.timers);
    });
  }

  /** Runs one round of promotions. @throws DependencyError; those that failed are left to the next round */
  async promoteDue(): Promise<void> {
    const now = this.timers.now();
    const due = await ask(() => this.redis.zrangebyscore(keys.promotions, '-inf', now, 'LIMIT', 0, SWEEP_BATCH));
    await ask(() => Promise.all(textsOf(due).map((name) => this.#promote(name, now))));
  }

  /** Takes all expired AORs out of active-user. @throws DependencyError */
  async removeExpired(): Promise<void> {
    const args = [this.timers.now(), SWEEP_BATCH, keys.othersPrefix];
    for (let expired = SWEEP_BATCH; expired === SWEEP_BATCH; ) {
      const names = textsOf(await ask(() => expire.run(this.redis, [keys.activeUsers], args)));
      for (const name of names) for (const listener of this.#onExpired) listener(name);
      expired = names.length;
    }
  }

  #promote(name: string, now: number): Promise<unknown> {
    const at = name.lastIndexOf('@');
    const aor = { user: name.slice(0, at), realm: name.slice(at + 1) };
    return promote.run(this.redis, bindingKeys(aor, aor.realm), [now, aor.realm, name, keys.realmIndex('')]);
  }
}

function bindingKeys(aor: Aor, accountRealm: string): string[] {
  return [
    keys.user(aor),
    keys.others(aor),
    keys.activeUsers,
    keys.realmIndex(accountRealm),
    keys.realms,
    keys.promotions,
  ];
}
