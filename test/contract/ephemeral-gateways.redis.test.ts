import { afterAll, expect, test } from 'bun:test';
import { Redis } from 'ioredis';
import { RedisEphemeralGateways } from '../../src/adapters/redis/ephemeral-gateways.ts';
import { sharedRedis } from '../support/redis.ts';
import { ManualTimers } from '../support/timers.ts';
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

test('the key outlives its longest field, even when a shorter one is set later', async () => {
  const clock = new ManualTimers(Date.now());
  const gateways = new RedisEphemeralGateways(redis, clock);
  const ip = newIp();
  await gateways.set(ip, 'long', clock.now() + 86_400_000);
  await gateways.set(ip, 'short', clock.now() + 30_000);
  const longest = Number(await redis.hget(`eph-gw-ip:${ip}`, 'long'));
  expect(await redis.expiretime(`eph-gw-ip:${ip}`)).toBeWithin(longest + 1, longest + 100);
});

test('keeps fields of other programs until they expire', async () => {
  const clock = new ManualTimers(Date.now());
  const now = Math.floor(clock.now() / 1000);
  const ip = newIp();
  const key = `eph-gw-ip:${ip}`;
  await redis.hset(key, { current: now + 7000, expired: now - 1, malformed: 'x' });
  await redis.expire(key, 10);
  await new RedisEphemeralGateways(redis, clock).set(ip, 'ours', clock.now() + 30_000);
  expect(Object.keys(await redis.hgetall(key)).sort()).toEqual(['current', 'malformed', 'ours']);
  expect(await redis.expiretime(key)).toBeWithin(now + 7001, now + 7100);
});
