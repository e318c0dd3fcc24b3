import type { Redis } from 'ioredis';
import type { Clock } from '../../lib/timers.ts';
import {
  type AbusePolicy,
  type AbuseReport,
  type AbuseState,
  type AbuseStore,
  BAN_MEMORY_MS,
  HALF_LIFE_MS,
  LONGEST_BAN_MS,
  SPENT_NONCE_COUNT,
} from '../../ports/abuse-store.ts';
import { ask } from './connection.ts';
import { clusterKeys, keys } from './keys.ts';
import { Script } from './script.ts';

const MINUTE_MS = 60_000;
/** Bound of each sorted set; beyond it the lowest scores are forgotten. */
const MAX_MEMBERS = 10_000;
/** Bound of what one exchange returns beside the bans. */
const MAX_RETURNED = 1_000;

/** The ban set may have members of other programs: we remove an address only if we have added it. */
const BAN_SET = `
local function list(source, address, banSet, listed)
  if banSet ~= '' and redis.call('SADD', banSet, address) == 1 then redis.call('HSET', listed, source, address) end
end
local function unlist(source, banSet, listed)
  local address = redis.call('HGET', listed, source)
  if not address then return end
  redis.call('HDEL', listed, source)
  if banSet ~= '' then redis.call('SREM', banSet, address) end
end
`;

/**
 * KEYS suspects, bans, wrong answers of this minute, listed addresses. ARGV now, threshold, ban length, longest ban, ban
 * memory and half-life in ms, prefix of the keys of bans, ban set or '', bounds of the sets and of the result, then a JSON
 * report.
 *
 * A suspect's score in its sorted set is log2(points) + now / half-life, which stays the same as the points decay.
 */
const exchange = new Script(`${BAN_SET}
local now, threshold, length, longest, memory, halfLife = unpack(ARGV, 1, 6)
local prefix, banSet, maxMembers, maxReturned = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local report = cjson.decode(ARGV[11])
local age = now / halfLife
-- Before anything is written, because a script that fails later is not undone.
if banSet ~= '' then
  local kind = redis.call('TYPE', banSet).ok
  if kind ~= 'none' and kind ~= 'set' then return redis.error_reply('WRONGTYPE ' .. banSet .. ' is no set') end
end
local function log2(x) return math.log(x) / math.log(2) end

local function lift(sources)
  for _, source in ipairs(sources) do
    redis.call('ZREM', KEYS[2], source)
    unlist(source, banSet, KEYS[4])
  end
end

lift(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now))

for _, source in ipairs(report.pardoned) do redis.call('ZREM', KEYS[1], source) end
for _, offences in ipairs(report.offences) do
  local source, points, address = offences[1], offences[2], offences[3]
  if not redis.call('ZSCORE', KEYS[2], source) then
    local before = redis.call('ZSCORE', KEYS[1], source)
    if before then points = points + 2 ^ (before - age) end
    -- The logarithm is exact to some millionths of a point.
    if points >= threshold - 0.001 then
      if tonumber(redis.call('HGET', prefix .. source, 'forget') or 0) <= tonumber(now) then
        redis.call('DEL', prefix .. source)
      end
      local times = redis.call('HINCRBY', prefix .. source, 'times', 1)
      local ms = math.floor(math.min(length * 2 ^ (times - 1), longest))
      redis.call('HSET', prefix .. source, 'forget', now + ms + memory)
      redis.call('PEXPIRE', prefix .. source, ms + memory)
      redis.call('ZADD', KEYS[2], now + ms, source)
      redis.call('ZREM', KEYS[1], source)
      list(source, address, banSet, KEYS[4])
    else
      redis.call('ZADD', KEYS[1], string.format('%.17g', age + log2(points)), source)
    end
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.17g', age - 1))
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -maxMembers - 1)
lift(redis.call('ZRANGE', KEYS[2], 0, -maxMembers - 1))

for _, wrong in ipairs(report.wrongAnswers) do redis.call('ZINCRBY', KEYS[3], wrong[2], wrong[1]) end
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -maxMembers - 1)
redis.call('PEXPIRE', KEYS[3], 120000)

local least = string.format('%.17g', age + log2(threshold / 10))
return {
  redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES'),
  redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', least, 'WITHSCORES', 'LIMIT', 0, maxReturned),
  redis.call('ZREVRANGE', KEYS[3], 0, maxReturned - 1, 'WITHSCORES'),
}
`);

/** KEYS suspects, bans, listed addresses. ARGV source or '', prefix of the keys of bans, ban set or ''. Returns the sources that were banned. */
const clear = new Script(`${BAN_SET}
local banned = redis.call('ZRANGE', KEYS[2], 0, -1)
local lifted = {}
for _, source in ipairs(banned) do
  if ARGV[1] == '' or ARGV[1] == source then
    unlist(source, ARGV[3], KEYS[3])
    redis.call('DEL', ARGV[2] .. source)
    redis.call('ZREM', KEYS[2], source)
    lifted[#lifted + 1] = source
  end
end
if ARGV[1] == '' then redis.call('DEL', KEYS[1]) else redis.call('ZREM', KEYS[1], ARGV[1]) end
return lifted
`);

export class RedisAbuseStore implements AbuseStore {
  readonly #keys: ReturnType<typeof clusterKeys>;

  constructor(
    private readonly redis: Redis,
    clusterId: string,
    private readonly policy: AbusePolicy,
    private readonly clock: Clock,
  ) {
    this.#keys = clusterKeys(clusterId);
  }

  async exchange(report: AbuseReport): Promise<AbuseState> {
    const { banThreshold, banSeconds, banSet } = this.policy;
    const { suspects, bans, banPrefix, listed, wrongAnswers } = this.#keys;
    const now = this.clock.now();
    const minute = Math.floor(now / MINUTE_MS);
    const [banned, scored, wrong] = (await ask(async () => {
      const [reply] = await Promise.all([
        exchange.run(
          this.redis,
          [suspects, bans, wrongAnswers(minute), listed],
          [
            now,
            banThreshold,
            banSeconds * 1000,
            LONGEST_BAN_MS,
            BAN_MEMORY_MS,
            HALF_LIFE_MS,
            banPrefix,
            banSet,
            MAX_MEMBERS,
            MAX_RETURNED,
            reportJson(report),
          ],
        ),
        ...[...report.spentNonces].map(([id, end]) =>
          this.redis.set(keys.nonce(id), SPENT_NONCE_COUNT, 'PX', Math.max(end - now, 1)),
        ),
      ]);
      return reply;
    })) as [string[], string[], string[]];
    return {
      bans: pairs(banned).map(([source, until]) => ({ source, until })),
      scores: new Map(pairs(scored).map(([source, score]) => [source, 2 ** (score - now / HALF_LIFE_MS)])),
      wrongAnswers: new Map(pairs(wrong)),
    };
  }

  async clear(source = ''): Promise<readonly string[]> {
    const { suspects, bans, banPrefix, listed } = this.#keys;
    const run = () => clear.run(this.redis, [suspects, bans, listed], [source, banPrefix, this.policy.banSet]);
    return (await ask(run)) as string[];
  }
}

function reportJson({ offences, pardoned, wrongAnswers }: AbuseReport): string {
  return JSON.stringify({
    offences: [...offences].map(([source, { points, address }]) => [source, points, address]),
    pardoned: [...pardoned],
    wrongAnswers: [...wrongAnswers],
  });
}

/** Members and scores as Redis returns them with WITHSCORES. */
function pairs(flat: readonly string[]): [string, number][] {
  return flat.flatMap((member, i) => (i % 2 === 0 ? [[member, Number(flat[i + 1])] as [string, number]] : []));
}
