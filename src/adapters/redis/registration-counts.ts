import type { Redis } from 'ioredis';
import type { Clock } from '../../lib/timers.ts';
import type { AorCounts, RegistrationCounts } from '../../ports/registration-counts.ts';
import { ask } from './connection.ts';
import { keys } from './keys.ts';
import { integerOf, listOf, textOf, textsOf } from './replies.ts';
import { Script } from './script.ts';

/** Members of each zset of KEYS with a score above ARGV[1]. */
const count = new Script(`
local counts = {}
for i, key in ipairs(KEYS) do counts[i] = redis.call('ZCOUNT', key, '(' .. ARGV[1], '+inf') end
return counts`);

/** Realms per script run: some 0.1 ms, so that no REGISTER has to wait. */
const STEP = 200;

/** Counts by the realm indexes. */
export class RedisRegistrationCounts implements RegistrationCounts {
  constructor(
    private readonly redis: Redis,
    private readonly clock: Clock,
  ) {}

  async count(realms: number): Promise<AorCounts> {
    const now = this.clock.now();
    const total = integerOf(await ask(() => this.redis.zcount(keys.activeUsers, `(${now}`, '+inf')));
    // A cursor may return a realm twice.
    const byRealm = new Map<string, number>();
    let cursor = '0';
    do {
      const reply = listOf(await ask(() => this.redis.sscan(keys.realms, cursor, 'COUNT', STEP)));
      cursor = textOf(reply[0]) ?? '0';
      const names = textsOf(reply[1]);
      const counts = listOf(await ask(() => count.run(this.redis, names.map(keys.realmIndex), [now])));
      for (const [i, name] of names.entries()) byRealm.set(name, integerOf(counts[i]));
    } while (cursor !== '0');
    const inUse = [...byRealm].filter(([, aors]) => aors > 0);
    return { total, realms: inUse.length, largest: inUse.sort(([, a], [, b]) => b - a).slice(0, realms) };
  }
}
