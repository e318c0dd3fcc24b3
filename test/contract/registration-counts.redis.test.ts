import { afterAll, expect, test } from 'bun:test';
import { Redis } from 'ioredis';
import { RedisLocationService } from '../../src/adapters/redis/location.ts';
import { RedisRegistrationCounts } from '../../src/adapters/redis/registration-counts.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import { RecordingLogger } from '../support/logger.ts';
import { startRedis } from '../support/redis.ts';
import { ManualTimers } from '../support/timers.ts';
import { registrationCountsContract } from './registration-counts.ts';

// Of our own: it counts all that is there.
const server = await startRedis();
const redis = new Redis({ host: server.host, port: server.port, enableAutoPipelining: true });
afterAll(() => redis.disconnect());

registrationCountsContract('Redis', async (timers) => {
  await redis.flushall();
  return {
    location: new RedisLocationService(redis, timers, new RecordingLogger()),
    counts: new RedisRegistrationCounts(redis, timers),
  };
});

test('AORs of earlier sidecars, which keep no index, count in the total', async () => {
  const timers = new ManualTimers(Date.now());
  await redis.flushall();
  await redis.zadd('active-user', timers.now() + 60_000, 'user:old@old.test', timers.now(), 'user:gone@old.test');
  expect(await new RedisRegistrationCounts(redis, timers).count(10)).toEqual({ total: 1, realms: 0, largest: [] });
});

test('is Unavailable without Redis', async () => {
  const disconnected = redis.duplicate({ lazyConnect: true });
  disconnected.disconnect();
  await expect(new RedisRegistrationCounts(disconnected, new ManualTimers()).count(10)).rejects.toThrow(Unavailable);
});
