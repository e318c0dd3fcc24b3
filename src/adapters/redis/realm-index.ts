import type { Redis } from 'ioredis';
import { background } from '../../lib/background.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Timer, Timers } from '../../lib/timers.ts';
import { ask } from './connection.ts';
import { keys } from './keys.ts';
import { listOf, textOf, textsOf } from './replies.ts';
import { Script } from './script.ts';
import { REINDEX } from './scripts.ts';

const reindex = new Script(REINDEX);

const RECONCILE_INTERVAL_MS = 3_600_000;
const RETRY_INTERVAL_MS = 10_000;
/** Members per script run: less than a millisecond, so that no REGISTER has to wait. */
const STEP = 200;

/**
 * Earlier jambonz sidecars write to active-user without updating a realm index, and our first versions counted sub-domains
 * of an account's realm apart: reconciles the indexes regularly.
 */
export class RealmIndexKeeper {
  #timer: Timer | undefined;
  #stopped = false;

  constructor(
    private readonly redis: Redis,
    private readonly timers: Timers,
    private readonly logger: Logger,
    /** The realm of the account that a realm belongs to, which may be a sub-domain of it. */
    private readonly accountRealm: (realm: string) => Promise<string>,
  ) {}

  start(): void {
    background(this.logger, 'reconciliation of realm indexes', () => this.#round(), this.timers);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Indexes all members of active-user and removes all others from the indexes. @throws DependencyError */
  async reconcile(): Promise<void> {
    await this.#eachMember(keys.activeUsers, async (members) => void (await this.#reindex(members)));
    for (const index of textsOf(await ask(() => this.redis.smembers(keys.realms))))
      await this.#eachMember(keys.realmIndex(index), async (members) => {
        const right = new Set((await this.#reindex(members)).get(index));
        const wrong = members.filter((member) => !right.has(member));
        if (wrong.length > 0) await ask(() => this.redis.zrem(keys.realmIndex(index), ...wrong));
      });
  }

  async #round(): Promise<void> {
    let next = RECONCILE_INTERVAL_MS;
    try {
      await this.reconcile();
      this.logger.debug({}, 'realm indexes reconciled');
    } catch (error) {
      next = RETRY_INTERVAL_MS;
      throw error;
    } finally {
      if (!this.#stopped) this.#timer = this.timers.after(next, () => this.start());
    }
  }

  async #eachMember(zset: string, handle: (members: string[]) => Promise<void>): Promise<void> {
    let cursor = '0';
    do {
      const reply = listOf(await ask(() => this.redis.zscan(zset, cursor, 'COUNT', STEP)));
      cursor = textOf(reply[0]) ?? '0';
      const members = textsOf(reply[1]).filter((_, i) => i % 2 === 0);
      // A small sorted set comes in one step.
      for (let i = 0; i < members.length; i += STEP) await handle(members.slice(i, i + STEP));
    } while (cursor !== '0' && !this.#stopped);
  }

  /** Puts members into the indexes of their accounts. @returns them by the realm of the account */
  async #reindex(members: readonly string[]): Promise<Map<string, string[]>> {
    const byAccount = new Map<string, string[]>();
    for (const [realm, ofRealm] of Map.groupBy(members, realmOf)) {
      if (realm === '') continue;
      const account = await this.accountRealm(realm);
      byAccount.set(account, [...(byAccount.get(account) ?? []), ...ofRealm]);
    }
    // One run for all realms: with few bindings in each, a run for each would be one for each binding.
    const indexes = [...byAccount.keys()].map(keys.realmIndex);
    const args = [...byAccount].flatMap(([realm, ofRealm]) => [realm, ofRealm.length, ...ofRealm]);
    await ask(() => reindex.run(this.redis, [keys.activeUsers, keys.realms, ...indexes], args));
    return byAccount;
  }
}

/** In lower case: earlier jambonz sidecars keep the host as the phone spelled it. */
function realmOf(member: string): string {
  return /^user:.*@([^@]+)$/.exec(member)?.[1]?.toLowerCase() ?? '';
}
