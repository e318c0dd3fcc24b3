import type { Redis } from 'ioredis';
import type { Clock } from '../../lib/timers.ts';
import type { EphemeralGateways } from '../../ports/ephemeral-gateways.ts';
import { ipOf } from '../../sip/ip.ts';
import { ask } from './connection.ts';
import { keys } from './keys.ts';
import { Script } from './script.ts';

/** How long the key outlives its longest field, for clock skew between Redis and us. */
const MARGIN_SECONDS = 60;

/** Leaves fields alone that are no numbers. KEYS hash. ARGV field, its expiry, now, margin; times in seconds. */
const set = new Script(`
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local now, last = tonumber(ARGV[3]), 0
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local expiry = tonumber(fields[i + 1])
  if expiry and expiry <= now then redis.call('HDEL', KEYS[1], fields[i])
  elseif expiry then last = math.max(last, expiry) end
end
if last > 0 then redis.call('EXPIREAT', KEYS[1], string.format('%.0f', last + tonumber(ARGV[4]))) end
`);

export class RedisEphemeralGateways implements EphemeralGateways {
  constructor(
    private readonly redis: Redis,
    private readonly clock: Clock,
  ) {}

  async set(ip: string, carrierSid: string, expiresAt: number): Promise<void> {
    const expiry = Math.ceil(expiresAt / 1000);
    const now = Math.floor(this.clock.now() / 1000);
    await ask(() =>
      set.run(this.redis, [keys.ephemeralGateway(ipOf(ip) ?? ip)], [carrierSid, expiry, now, MARGIN_SECONDS]),
    );
  }

  async remove(ip: string, carrierSid: string): Promise<void> {
    await ask(() => this.redis.hdel(keys.ephemeralGateway(ipOf(ip) ?? ip), carrierSid));
  }
}
