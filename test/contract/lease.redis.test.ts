import { afterAll, expect, test } from 'bun:test';
import { Redis } from 'ioredis';
import { RedisLease } from '../../src/adapters/redis/lease.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import { sharedRedis } from '../support/redis.ts';
import { leaseContract } from './lease.ts';

const server = await sharedRedis();
const redis = new Redis({ host: server.host, port: server.port, enableAutoPipelining: true });
afterAll(() => redis.disconnect());

leaseContract('Redis', (clusterId) => ({
  open: () => new RedisLease(redis, clusterId),
  async expire() {
    // Redis deletes an expired key when it is read.
    while ((await redis.pttl(`${clusterId}:regbot-token`)) !== -2);
  },
  flush: () => redis.del(`${clusterId}:regbot-token`),
}));

test('uses the key of earlier jambonz sidecars, with the given length', async () => {
  const clusterId = crypto.randomUUID();
  const key = `${clusterId}:regbot-token`;
  const lease = new RedisLease(redis, clusterId);
  const before = Date.now();
  await lease.take('mine', 30_000);
  expect(await redis.get(key)).toBe('mine');
  expect((await redis.pexpiretime(key)) - 30_000).toBeWithin(before, Date.now() + 1);
  await lease.renew('mine', 60_000);
  expect((await redis.pexpiretime(key)) - 60_000).toBeWithin(before, Date.now() + 1);
});

test('is Unavailable without Redis', async () => {
  const disconnected = redis.duplicate({ lazyConnect: true });
  disconnected.disconnect();
  const lease = new RedisLease(disconnected, 'c');
  await expect(lease.take('a', 1000)).rejects.toThrow(Unavailable);
  await expect(lease.renew('a', 1000)).rejects.toThrow(Unavailable);
  await expect(lease.holder()).rejects.toThrow(Unavailable);
});
