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
  Update,
  UpdateOutcome,
} from '../../ports/location.ts';
import { bindingToJson, liveBindings, rankBindings } from '../binding-json.ts';
import { ask } from './connection.ts';
import { keys } from './keys.ts';
import { integerOf, textOf, textsOf } from './replies.ts';
import { Script } from './script.ts';
import { PROMOTE, REMOVE_FROM, UPDATE } from './scripts.ts';

const update = new Script(UPDATE);
const promote = new Script(PROMOTE);
const removeFrom = new Script(REMOVE_FROM);

/** The longest that `user:<aor>` may be missing while other bindings are live, milliseconds. */
const PROMOTE_INTERVAL_MS = 1000;
const PROMOTE_BATCH = 200;
/** Between two warnings about what is stored for one AOR, milliseconds. */
const MALFORMED_INTERVAL_MS = 3_600_000;

export class RedisLocationService implements LocationService {
  #promotion: Timer | undefined;
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
    const saves = rankBindings(change.save).map(bindingToJson);
    const reply = await ask(() =>
      update.run(
        this.redis,
        [...bindingKeys(aor, change.accountRealm), nonce ? keys.nonce(nonce.id) : ''],
        [
          now,
          change.accountRealm,
          nameOf(aor),
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
        return { ok: true, bindings: this.#live(bindings, aor, now) };
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

  async removeFrom(aor: Aor, { proxy, protocol, savedUntil }: BindingSource): Promise<number> {
    const args = [this.timers.now(), aor.realm, nameOf(aor), keys.realmIndex(''), proxy, protocol, savedUntil];
    return integerOf(await ask(() => removeFrom.run(this.redis, bindingKeys(aor, aor.realm), args)));
  }

  #live(jsons: Iterable<string>, aor: Aor, now: number): Binding[] {
    const live = liveBindings(jsons, now, () => {
      if (this.#malformed.isDue(nameOf(aor))) this.logger.warn({ aor }, 'a stored binding is malformed, skipped');
    });
    return live.map(({ binding }) => binding);
  }

  /** Starts to promote the next binding of an AOR whenever the newest expires. */
  start(): void {
    if (!this.#promotion) this.#schedulePromotion();
  }

  stop(): void {
    this.#promotion?.cancel();
    this.#promotion = undefined;
  }

  #schedulePromotion(): void {
    this.#promotion = this.timers.after(PROMOTE_INTERVAL_MS, () => {
      this.#schedulePromotion();
      background(this.logger, 'promotion of bindings', () => this.promoteDue(), this.timers);
    });
  }

  /** Runs one round of promotions. @throws DependencyError; those that failed are left to the next round */
  async promoteDue(): Promise<void> {
    const now = this.timers.now();
    const due = await ask(() => this.redis.zrangebyscore(keys.promotions, '-inf', now, 'LIMIT', 0, PROMOTE_BATCH));
    await ask(() => Promise.all(textsOf(due).map((name) => this.#promote(name, now))));
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

function nameOf({ user, realm }: Aor): string {
  return `${user}@${realm}`;
}
