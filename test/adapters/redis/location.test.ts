import { expect, test } from 'bun:test';
import { Redis } from 'ioredis';
import { RedisLocationService } from '../../../src/adapters/redis/location.ts';
import { Unavailable } from '../../../src/ports/errors.ts';
import type { Binding } from '../../../src/ports/location.ts';
import { disposedAfterEach } from '../../support/after-each.ts';
import { eventually } from '../../support/eventually.ts';
import { RecordingLogger } from '../../support/logger.ts';
import { startRedis } from '../../support/redis.ts';
import { ManualTimers } from '../../support/timers.ts';

const { client: redis, host, port } = await startRedis();
const resources = disposedAfterEach();

function start(connection = redis) {
  const clock = new ManualTimers(Date.now());
  const logger = new RecordingLogger();
  const location = new RedisLocationService(connection, clock, logger);
  const realm = `${crypto.randomUUID()}.example.com`;
  const aor = { user: 'john', realm };
  const name = `john@${realm}`;
  const binding = (n: number, seconds: number, changes: Partial<Binding> = {}): Binding => {
    const uri = `sip:john@192.0.2.${n}`;
    return {
      key: uri,
      uri,
      contact: uri,
      contactParams: '',
      callId: 'call',
      cseq: 1,
      protocol: 'udp',
      proxy: 'sip:192.0.2.7:5060',
      sbcAddress: 'udp/10.0.0.5:5060',
      privateSbcAddress: '10.0.0.5:5060',
      grant: { allowDirectAppCalling: true, allowDirectQueueCalling: true, allowDirectUserCalling: true },
      expiryTime: clock.now() + seconds * 1000,
      savedAt: clock.now(),
      ...changes,
    };
  };
  const save = (bindings: Binding[], accountRealm = realm) =>
    location.update({
      aor,
      accountRealm,
      callId: crypto.randomUUID(),
      cseq: 1,
      save: bindings,
      remove: [],
      maxContacts: 5,
    });
  const removeAll = () =>
    location.update({ aor, accountRealm: realm, callId: 'x', cseq: 1, save: [], remove: 'all', maxContacts: 5 });
  const target = async () => JSON.parse((await redis.get(`user:${name}`)) ?? 'null')?.contact;
  return { clock, logger, location, realm, aor, name, binding, save, removeAll, target };
}

test('a binding that moves from one key to the other while they are read counts once', async () => {
  const { location, aor, name, binding, save } = start();
  const saved = binding(1, 600);
  await save([saved]);
  await redis.hset(`sidecar:others:${name}`, saved.key, (await redis.get(`user:${name}`)) ?? '');
  expect((await location.lookup(aor, { several: true })).bindings).toEqual([saved]);
});

test('the other bindings are stored for as long as the longest of them', async () => {
  const { name, binding, save } = start();
  const before = Date.now();
  await save([binding(1, 60), binding(2, 600), binding(3, 300)]);
  const expiry = await redis.pexpiretime(`sidecar:others:${name}`);
  expect(expiry - 600_000).toBeWithin(before, Date.now() + 1);
});

test('no promotion is due after the last of bindings that expire together', async () => {
  const { name, binding, save } = start();
  await save([binding(1, 60), binding(2, 60)]);
  expect(await redis.zscore('sidecar:promotions', name)).toBeNull();
});

test('no promotion is due once all bindings are removed', async () => {
  const { name, binding, save, removeAll } = start();
  await save([binding(1, 60), binding(2, 600)]);
  expect(await redis.zscore('sidecar:promotions', name)).not.toBeNull();
  await removeAll();
  expect(await redis.zscore('sidecar:promotions', name)).toBeNull();
  expect(await redis.exists(`sidecar:others:${name}`)).toBe(0);
});

test('a realm is known by its first binding, an account’s by those of its sub-domains', async () => {
  const { clock, location, realm, name, binding, save } = start();
  const accountRealm = `account.${realm}`;
  await save([binding(1, 60, { accountRealm }), binding(2, 600, { accountRealm })], accountRealm);
  expect(await redis.smismember('sidecar:realms', accountRealm, realm)).toEqual([1, 0]);
  await redis.del(`sidecar:realm:${accountRealm}`);
  await redis.srem('sidecar:realms', accountRealm);
  clock.advance(60_000);
  await location.promoteDue();
  expect(await redis.zscore(`sidecar:realm:${accountRealm}`, `user:${name}`)).not.toBeNull();
  expect(await redis.smismember('sidecar:realms', accountRealm, realm)).toEqual([1, 0]);
});

test('an update deletes expired members of the index', async () => {
  const { clock, realm, binding, save } = start();
  const member = `user:expired@${realm}`;
  await redis.zadd(`sidecar:realm:${realm}`, clock.now(), member);
  await save([binding(1, 60)]);
  expect(await redis.zscore(`sidecar:realm:${realm}`, member)).toBeNull();
});

test('promotion starts, stops and starts again', async () => {
  const { clock, location, binding, save, target } = start();
  await save([binding(1, 1), binding(2, 2), binding(3, 600)]);
  location.start();
  clock.advance(1000);
  await eventually('promotion', async () => ((await target()) === 'sip:john@192.0.2.2' ? true : undefined));
  location.stop();
  expect(clock.pending).toBe(0);
  location.start();
  clock.advance(1000);
  await eventually('promotion', async () => ((await target()) === 'sip:john@192.0.2.3' ? true : undefined));
  location.stop();
});

test('a promotion that Redis cannot execute is Unavailable', async () => {
  const away = resources.adopt(new Redis({ host, port, lazyConnect: true }), (client) => client.disconnect());
  away.disconnect();
  await expect(start(away).location.promoteDue()).rejects.toThrow(Unavailable);
});
