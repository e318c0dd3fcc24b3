import { expect, test } from 'bun:test';
import { Redis } from 'ioredis';
import { RealmIndexKeeper } from '../../../src/adapters/redis/realm-index.ts';
import { Unavailable } from '../../../src/ports/errors.ts';
import { disposedAfterEach } from '../../support/after-each.ts';
import { eventually } from '../../support/eventually.ts';
import { RecordingLogger } from '../../support/logger.ts';
import { type RedisServer, sharedRedis, startRedis } from '../../support/redis.ts';
import { ManualTimers } from '../../support/timers.ts';

const HOUR_MS = 3_600_000;
/** A database that no other test uses. */
const DATABASE = 7;
const resources = disposedAfterEach();

async function start(accountRealm = async (realm: string) => realm, server?: RedisServer) {
  const { host, port } = server ?? (await sharedRedis());
  const redis = resources.adopt(new Redis({ host, port, db: DATABASE }), (client) => client.disconnect());
  await redis.flushdb();
  const timers = new ManualTimers();
  const logger = new RecordingLogger();
  const keeper = new RealmIndexKeeper(redis, timers, logger, accountRealm);
  const expiry = String(timers.now() + 60_000);
  const add = (...members: string[]) => redis.zadd('active-user', ...members.flatMap((member) => [expiry, member]));
  const index = (realm: string) => redis.zrange(`sidecar:realm:${realm}`, 0, '-1');
  const rounds = (count: number) =>
    eventually('end of a round', () => logger.lines.length === count || undefined, { describe: () => logger.lines });
  return { redis, timers, logger, keeper, add, index, rounds };
}

test('the realm of a member is what follows its last @, in lower case', async () => {
  const { redis, keeper, add, index } = await start();
  await add('user:a@Example.COM', 'user:b@home@example.com');
  await keeper.reconcile();
  expect(await index('example.com')).toEqual(['user:a@Example.COM', 'user:b@home@example.com']);
  expect(await redis.smembers('sidecar:realms')).toEqual(['example.com']);
});

test('members that are no AORs are left alone', async () => {
  const asked: string[] = [];
  const { redis, keeper, add } = await start(async (realm) => {
    asked.push(realm);
    return realm;
  });
  await add('junk', 'user:nobody', 'other:a@example.com', 'user:a@');
  await keeper.reconcile();
  expect(asked).toEqual([]);
  expect(await redis.keys('*')).toEqual(['active-user']);
});

test('members that Redis lists all at once are indexed all', async () => {
  const server = await startRedis({ args: ['--zset-max-listpack-entries', '2000'] });
  const { redis, keeper, add } = await start(undefined, server);
  await add(...Array.from({ length: 1000 }, (_, i) => `user:u${i}@example.com`));
  await keeper.reconcile();
  expect(await redis.zcard('sidecar:realm:example.com')).toBe(1000);
});

test('members of many realms are indexed together, not one by one', async () => {
  const server = await startRedis();
  const { redis, keeper, add } = await start(undefined, server);
  const realms = 100;
  await add(...Array.from({ length: 10 * realms }, (_, i) => `user:u${i}@r${i % realms}.example.com`));
  await keeper.reconcile();
  expect(await redis.scard('sidecar:realms')).toBe(realms);
  const runs = /cmdstat_evalsha:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1];
  // One for each realm's own index, and one for each step through active-user.
  expect(Number(runs)).toBeLessThan(realms + 20);
});

test('an expiry that an earlier sidecar has changed is changed in the index too, and nothing else is', async () => {
  const { redis, timers, keeper, add } = await start();
  await add('user:a@example.com', 'user:b@example.com');
  await keeper.reconcile();
  const later = timers.now() + 120_000;
  await redis.zadd('active-user', later, 'user:a@example.com');
  await keeper.reconcile();
  const index = 'sidecar:realm:example.com';
  expect(await redis.zmscore(index, 'user:a@example.com', 'user:b@example.com')).toEqual([
    String(later),
    String(timers.now() + 60_000),
  ]);
});

test('is repeated each hour until stopped', async () => {
  const { timers, keeper, add, index, rounds } = await start();
  keeper.start();
  await rounds(1);
  expect(timers.next).toBe(HOUR_MS);
  await add('user:a@example.com');
  timers.advance(HOUR_MS);
  await rounds(2);
  expect(await index('example.com')).toEqual(['user:a@example.com']);
  expect(timers.next).toBe(HOUR_MS);
  keeper.stop();
  expect(timers.pending).toBe(0);
});

test('is repeated after 10 s when it failed, with a warning', async () => {
  let fails = true;
  const { timers, logger, keeper, add, index, rounds } = await start(async (realm) => {
    if (fails) throw new Unavailable('MySQL', 'gone');
    return realm;
  });
  await add('user:a@example.com');
  keeper.start();
  await rounds(1);
  expect(logger.lines).toMatchObject([{ level: 'warn', fields: { why: 'MySQL: gone' } }]);
  expect(timers.next).toBe(10_000);
  fails = false;
  timers.advance(10_000);
  await rounds(2);
  expect(await index('example.com')).toEqual(['user:a@example.com']);
});

test('ends early when it is stopped meanwhile, and is not repeated', async () => {
  const asked = new Set<string>();
  const { timers, keeper, add, rounds } = await start(async (realm) => {
    asked.add(realm);
    keeper.stop();
    return realm;
  });
  await add(...Array.from({ length: 1000 }, (_, i) => `user:u@r${i}.example.com`));
  keeper.start();
  await rounds(1);
  expect(asked.size).toBeLessThan(1000);
  expect(timers.pending).toBe(0);
});
