import type { Redis } from 'ioredis';
import { background } from '../../lib/background.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Timer, Timers } from '../../lib/timers.ts';
import type { Aor, AorState, BindingSource, LocationService, Update, UpdateOutcome } from '../../ports/location.ts';
import { bindingToJson, liveBindings, rankBindings } from '../binding-json.ts';
import { ask } from './connection.ts';
import { keys } from './keys.ts';
import { Script } from './script.ts';
import { LOOKUP, PROMOTE, REMOVE_FROM, UPDATE } from './scripts.ts';

const lookup = new Script(LOOKUP);
const update = new Script(UPDATE);
const promote = new Script(PROMOTE);
const removeFrom = new Script(REMOVE_FROM);

/** The longest that `user:<aor>` may be missing while other bindings are live, milliseconds. */
const PROMOTE_INTERVAL_MS = 1000;
const PROMOTE_BATCH = 200;

export class RedisLocationService implements LocationService {
  #promotion: Timer | undefined;

  constructor(
    private readonly redis: Redis,
    private readonly timers: Timers,
    private readonly logger: Logger,
  ) {}

  async lookup(aor: Aor, { countRealm, nonceId }: { countRealm: boolean; nonceId?: string }): Promise<AorState> {
    const now = this.timers.now();
    const reply = await ask(() =>
      lookup.run(
        this.redis,
        [
          keys.user(aor),
          keys.others(aor),
          keys.realmIndex(aor.realm),
          nonceId === undefined ? '' : keys.nonce(nonceId),
        ],
        [now, countRealm ? '1' : '0'],
      ),
    );
    const [aorsInRealm, lastNonceCount, ...bindings] = texts(reply);
    return {
      bindings: liveBindings(bindings, now).map(({ binding }) => binding),
      aorsInRealm: Number(aorsInRealm),
      lastNonceCount: Number(lastNonceCount),
    };
  }

  async update(change: Update): Promise<UpdateOutcome> {
    const { aor, nonce, remove } = change;
    const now = this.timers.now();
    const removals = remove === 'all' ? ['all'] : [remove.length, ...remove];
    const saves = rankBindings(change.save).map(bindingToJson);
    const reply = await ask(() =>
      update.run(
        this.redis,
        [...bindingKeys(aor), nonce ? keys.nonce(nonce.id) : ''],
        [
          now,
          aor.realm,
          nameOf(aor),
          change.callId,
          change.cseq,
          change.maxContacts,
          change.maxAorsInRealm ?? '',
          nonce?.count ?? '',
          nonce ? Math.max(1, nonce.expiresAt - now) : '',
          ...removals,
          ...saves,
        ],
      ),
    );
    const [verdict, ...bindings] = texts(reply);
    switch (verdict) {
      case 'ok':
        return { ok: true, bindings: liveBindings(bindings, now).map(({ binding }) => binding) };
      case 'replay':
      case 'out-of-order':
      case 'too-many-contacts':
      case 'too-many-aors':
        return { ok: false, refusal: verdict };
      default:
        throw new Error(`unexpected reply of the update script: ${verdict}`);
    }
  }

  async removeFrom(aor: Aor, { proxy, protocol, savedUntil }: BindingSource): Promise<number> {
    const args = [this.timers.now(), aor.realm, nameOf(aor), proxy, protocol, savedUntil];
    return Number(await ask(() => removeFrom.run(this.redis, bindingKeys(aor), args)));
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
      background(this.logger, 'promotion of bindings', () => this.promoteDue());
    });
  }

  /** Runs one round of promotions. Logs an outage and leaves the rest to the next round. */
  async promoteDue(): Promise<void> {
    const now = this.timers.now();
    try {
      const due = await ask(() => this.redis.zrangebyscore(keys.promotions, '-inf', now, 'LIMIT', 0, PROMOTE_BATCH));
      await ask(() => Promise.all(due.map((name) => this.#promote(name, now))));
    } catch (error) {
      this.logger.warn({ why: String(error) }, 'bindings whose turn has come stay as they are for now');
    }
  }

  #promote(name: string, now: number): Promise<unknown> {
    const at = name.lastIndexOf('@');
    const aor = { user: name.slice(0, at), realm: name.slice(at + 1) };
    return promote.run(this.redis, bindingKeys(aor), [now, aor.realm, name]);
  }
}

function bindingKeys(aor: Aor): string[] {
  return [keys.user(aor), keys.others(aor), keys.activeUsers, keys.realmIndex(aor.realm), keys.realms, keys.promotions];
}

function nameOf({ user, realm }: Aor): string {
  return `${user}@${realm}`;
}

function texts(reply: unknown): string[] {
  return Array.isArray(reply) ? reply.map(String) : [];
}
