import type { Redis } from 'ioredis';
import type { Clock } from '../../lib/timers.ts';
import type { Aor } from '../../ports/location.ts';
import type { Registration, Registrations } from '../../ports/registrations.ts';
import { isWithin, readAorName } from '../../sip/aor.ts';
import { liveBindings } from '../binding-json.ts';
import { ask } from './connection.ts';
import { keys } from './keys.ts';
import { integerOf, listOf, textOf, textsOf } from './replies.ts';

/** AORs per step: Redis and we are busy with them for about a millisecond. */
const STEP = 100;
/** The same where most members are only compared. */
const FILTERED_STEP = 2000;

const USER_PREFIX = 'user:';

export class RedisRegistrations implements Registrations {
  constructor(
    private readonly redis: Redis,
    private readonly clock: Clock,
  ) {}

  async *batches(realm?: string): AsyncGenerator<readonly Registration[]> {
    const scan = (cursor: string) =>
      realm === undefined
        ? this.redis.zscan(keys.activeUsers, cursor, 'COUNT', STEP)
        : this.redis.zscan(keys.activeUsers, cursor, 'MATCH', patternOf(realm), 'COUNT', FILTERED_STEP);
    let cursor = '0';
    do {
      const reply = listOf(await ask(() => scan(cursor)));
      cursor = textOf(reply[0]) ?? '0';
      const members = textsOf(reply[1]).filter((_, i) => i % 2 === 0);
      const aors = members.flatMap((member) => aorOf(member) ?? []);
      const wanted = realm === undefined ? aors : aors.filter((aor) => isWithin(aor.realm.toLowerCase(), realm));
      // A small sorted set comes in one step.
      for (let i = 0; i < wanted.length || i === 0; i += STEP) yield await this.#read(wanted.slice(i, i + STEP));
    } while (cursor !== '0');
  }

  async countAors(): Promise<number> {
    return integerOf(await ask(() => this.redis.zcount(keys.activeUsers, `(${this.clock.now()}`, '+inf')));
  }

  async #read(aors: readonly Aor[]): Promise<Registration[]> {
    if (aors.length === 0) return [];
    const [newest, others] = await ask(async () => {
      const [values, withOthers] = await Promise.all([
        this.redis.mget(aors.map(keys.user)),
        this.redis.exists(aors.map(keys.others)),
      ]);
      // Where phones have one Contact each, that saves most of the work.
      return [values, withOthers === 0 ? [] : await Promise.all(aors.map((aor) => this.redis.hvals(keys.others(aor))))];
    });
    const now = this.clock.now();
    const firsts = listOf(newest).map(textOf);
    return aors.flatMap((aor, i) => {
      const first = firsts[i];
      // A binding may have moved from one key to the other in between.
      const jsons = new Set([...(first === undefined ? [] : [first]), ...textsOf(others[i] ?? [])]);
      const bindings = liveBindings(jsons, now, () => {}).map(({ binding }) => binding);
      return bindings.length > 0 ? [{ aor, bindings }] : [];
    });
  }
}

/** The AOR of a member of active-user; its realm as an earlier jambonz sidecar wrote it. */
function aorOf(member: string): Aor | undefined {
  return member.startsWith(USER_PREFIX) ? readAorName(member.slice(USER_PREFIX.length)) : undefined;
}

/**
 * A glob for the members of a realm, of its sub-domains, and of some other realms: earlier jambonz sidecars keep the case.
 * It has no `*` of the operator's, since many of them would keep Redis busy.
 */
function patternOf(realm: string): string {
  const inAnyCase = (letter: string) => `[${letter}${letter.toUpperCase()}]`;
  return `${USER_PREFIX}*${realm.replace(/[*?[\]\\^]/g, '?').replace(/[a-z]/g, inAnyCase)}`;
}
