import { afterAll, expect, test } from 'bun:test';
import { Redis } from 'ioredis';
import { RedisEphemeralGateways } from '../../src/adapters/redis/ephemeral-gateways.ts';
import { ManualClock } from '../support/clock.ts';
import { sharedRedis } from '../support/redis.ts';
import { ephemeralGatewaysContract, newIp } from './ephemeral-gateways.ts';

const server = await sharedRedis();
const redis = new Redis({ host: server.host, port: server.port, enableAutoPipelining: true });
afterAll(() => redis.disconnect());

ephemeralGatewaysContract(
  'Redis',
  (clock) => new RedisEphemeralGateways(redis, clock),
  async (ip) => {
    const fields = await redis.hgetall(`eph-gw-ip:${ip}`);
    return Object.fromEntries(Object.entries(fields).map(([carrier, expiry]) => [carrier, Number(expiry)]));
  },
);

test('the key outlives its longest field, also when a shorter one is set later', async () => {
  const clock = new ManualClock(Date.now());
  const gateways = new RedisEphemeralGateways(redis, clock);
  const ip = newIp();
  await gateways.set(ip, 'long', clock.now() + 86_400_000);
  await gateways.set(ip, 'short', clock.now() + 30_000);
  const longest = Number(await redis.hget(`eph-gw-ip:${ip}`, 'long'));
  expect(await redis.expiretime(`eph-gw-ip:${ip}`)).toBeWithin(longest + 1, longest + 100);
});

test('what others wrote stays as long as it is good', async () => {
  const clock = new ManualClock(Date.now());
  const now = Math.floor(clock.now() / 1000);
  const ip = newIp();
  const key = `eph-gw-ip:${ip}`;
  await redis.hset(key, { good: now + 7000, over: now - 1, strange: 'x' });
  await redis.expire(key, 10);
  await new RedisEphemeralGateways(redis, clock).set(ip, 'ours', clock.now() + 30_000);
  expect(Object.keys(await redis.hgetall(key)).sort()).toEqual(['good', 'ours', 'strange']);
  expect(await redis.expiretime(key)).toBeWithin(now + 7001, now + 7100);
});
