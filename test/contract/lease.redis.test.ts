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
    // Redis tells nobody when a key ends, but each look ends one whose time is over.
    while ((await redis.pttl(`${clusterId}:regbot-token`)) !== -2);
  },
  flush: () => redis.del(`${clusterId}:regbot-token`),
}));

test('it is the key that earlier sidecars take, for the length asked', async () => {
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

test('without Redis it is Unavailable', async () => {
  const gone = redis.duplicate({ lazyConnect: true });
  gone.disconnect();
  const lease = new RedisLease(gone, 'c');
  await expect(lease.take('a', 1000)).rejects.toThrow(Unavailable);
  await expect(lease.renew('a', 1000)).rejects.toThrow(Unavailable);
  await expect(lease.holder()).rejects.toThrow(Unavailable);
});
