import { afterAll, expect, test } from 'bun:test';
import { Redis } from 'ioredis';
import { RedisAbuseStore } from '../../src/adapters/redis/abuse-store.ts';
import { QueryFault } from '../../src/ports/errors.ts';
import { sharedRedis } from '../support/redis.ts';
import { ManualTimers } from '../support/timers.ts';
import { abuseStoreContract, POLICY, points } from './abuse-store.ts';

const server = await sharedRedis();
const redis = new Redis({ host: server.host, port: server.port, enableAutoPipelining: true });
afterAll(() => redis.disconnect());
/** From the present on, because Redis measures the lives of keys by its own clock. */
const timers = new ManualTimers(Date.now());
const cluster = crypto.randomUUID();
const store = new RedisAbuseStore(redis, cluster, POLICY, timers);

abuseStoreContract('Redis', store, timers, async (id) => (await redis.get(`sidecar:nonce:${id}`)) === '4294967296');

test('banned addresses are in the set for other programs until the ban ends', async () => {
  const banSet = `apiban:${crypto.randomUUID()}`;
  const sharing = new RedisAbuseStore(redis, crypto.randomUUID(), { ...POLICY, banSet }, timers);
  await redis.sadd(banSet, '192.0.2.99');
  await sharing.exchange(points('198.51.100.7', 250));
  await sharing.exchange(points('2001:db8:1:2::/64', 250, '2001:db8:1:2::7'));
  expect((await redis.smembers(banSet)).sort()).toEqual(['192.0.2.99', '198.51.100.7', '2001:db8:1:2::7']);
  await sharing.clear('198.51.100.7');
  expect((await redis.smembers(banSet)).sort()).toEqual(['192.0.2.99', '2001:db8:1:2::7']);
  timers.advance(300_000);
  await sharing.exchange(points('198.51.100.8', 1));
  expect(await redis.smembers(banSet)).toEqual(['192.0.2.99']);
});

test('an address that another program has put into the set stays there', async () => {
  const banSet = `apiban:${crypto.randomUUID()}`;
  const sharing = new RedisAbuseStore(redis, crypto.randomUUID(), { ...POLICY, banSet }, timers);
  await redis.sadd(banSet, '198.51.100.7');
  await sharing.exchange(points('198.51.100.7', 250));
  await sharing.clear();
  expect(await redis.smembers(banSet)).toEqual(['198.51.100.7']);
});

test('an address leaves the set also when no sidecar has run for longer than a ban is remembered', async () => {
  const banSet = `apiban:${crypto.randomUUID()}`;
  const own = crypto.randomUUID();
  const sharing = new RedisAbuseStore(redis, own, { ...POLICY, banSet }, timers);
  await sharing.exchange(points('198.51.100.7', 250));
  await redis.del(`sidecar:${own}:ban:198.51.100.7`);
  timers.advance(300_000);
  await sharing.exchange(points('198.51.100.8', 1));
  expect(await redis.smembers(banSet)).toEqual([]);
});

test('of more than 10 000 bans those that end first are lifted, in the set too', async () => {
  const banSet = `apiban:${crypto.randomUUID()}`;
  const sharing = new RedisAbuseStore(redis, crypto.randomUUID(), { ...POLICY, banSet }, timers);
  await sharing.exchange(points('192.0.2.1', 250));
  timers.advance(1000);
  const many = Array.from({ length: 10_000 }, (_, i) => `198.19.${i >> 8}.${i & 255}`);
  const offences = new Map(many.map((address) => [address, { points: 250, address }]));
  const { bans } = await sharing.exchange({ ...points('', 0), offences });
  expect(bans).toHaveLength(10_000);
  expect(await redis.scard(banSet)).toBe(10_000);
  expect(await redis.sismember(banSet, '192.0.2.1')).toBe(0);
});

test('a key for the set that is something else fails before anything is counted', async () => {
  const banSet = `apiban:${crypto.randomUUID()}`;
  await redis.set(banSet, 'text');
  const own = crypto.randomUUID();
  const sharing = new RedisAbuseStore(redis, own, { ...POLICY, banSet }, timers);
  await expect(sharing.exchange(points('198.51.100.7', 100))).rejects.toBeInstanceOf(QueryFault);
  expect(await redis.keys(`sidecar:${own}:*`)).toEqual([]);
});

test('its keys expire', async () => {
  const keys = await redis.keys(`sidecar:${cluster}:wrong-answers:*`);
  for (const key of keys) expect(await redis.pttl(key)).toBeWithin(1, 120_001);
});
