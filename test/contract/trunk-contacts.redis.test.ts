import { afterAll, expect, test } from 'bun:test';
import { Redis } from 'ioredis';
import { RedisTrunkContacts } from '../../src/adapters/redis/trunk-contacts.ts';
import { sharedRedis } from '../support/redis.ts';
import { trunkContactsContract } from './trunk-contacts.ts';

const server = await sharedRedis();
const redis = new Redis({ host: server.host, port: server.port });
afterAll(() => redis.disconnect());

trunkContactsContract('Redis', () => new RedisTrunkContacts(redis, crypto.randomUUID()));

test('are JSON in a hash of the cluster; what is none is left out', async () => {
  const cluster = crypto.randomUUID();
  const contacts = new RedisTrunkContacts(redis, cluster);
  const saved = { contact: 'sip:a@b', until: 1, registrar: 'r' };
  await contacts.save('a', saved);
  const key = `sidecar:${cluster}:trunk-contacts`;
  expect(JSON.parse((await redis.hget(key, 'a')) ?? '')).toEqual(saved);
  const broken = ['', 'x', 'null', '[]', '{}', '{"contact":1,"until":2,"registrar":"r"}', '{"contact":"sip:a@b"}'];
  for (const [i, json] of broken.entries()) await redis.hset(key, `broken-${i}`, json);
  await redis.hset(key, 'more', JSON.stringify({ ...saved, more: 1 }));
  expect([...(await contacts.read())].sort()).toEqual([
    ['a', saved],
    ['more', saved],
  ]);
});
