import { afterAll, describe, expect, test } from 'bun:test';
import { Redis } from 'ioredis';
import { RedisLocationService } from '../../src/adapters/redis/location.ts';
import { RealmIndexKeeper } from '../../src/adapters/redis/realm-index.ts';
import type { Binding } from '../../src/ports/location.ts';
import { ManualClock } from '../support/clock.ts';
import { RecordingLogger } from '../support/logger.ts';
import { sharedRedis } from '../support/redis.ts';
import { locationServiceContract } from './location-service.ts';

const server = await sharedRedis();
const redis = new Redis({ host: server.host, port: server.port, enableAutoPipelining: true });
const logger = new RecordingLogger();
afterAll(() => redis.disconnect());

locationServiceContract('Redis', async (clock) => new RedisLocationService(redis, clock, logger));

describe('what the neighbours find in Redis', () => {
  const realm = 'contract.example.com';
  const clock = new ManualClock(Date.now());
  const location = new RedisLocationService(redis, clock, logger);
  const binding = (changes: Partial<Binding> = {}): Binding => ({
    key: 'sip:john@192.0.2.7:5060;transport=ws',
    contact: 'sip:john@192.0.2.7:5060;transport=ws',
    contactParams: '',
    callId: 'call',
    cseq: 1,
    protocol: 'ws',
    proxy: 'sip:192.0.2.7:41638',
    sbcAddress: 'ws/10.0.0.5:8080,tcp/10.0.0.5:5060,udp/10.0.0.5:5060',
    privateSbcAddress: '10.0.0.5:5060',
    grant: { allowDirectAppCalling: true, allowDirectQueueCalling: false, allowDirectUserCalling: true },
    expiryTime: clock.now() + 3_600_000,
    savedAt: clock.now(),
    ...changes,
  });
  const save = (user: string, changes: Partial<Binding> = {}, maxContacts = 1) =>
    location.update({
      aor: { user, realm },
      callId: crypto.randomUUID(),
      cseq: 1,
      save: [binding(changes)],
      remove: [],
      maxContacts,
    });

  test('user:<aor> is JSON with exactly the fields they read, for the seconds granted', async () => {
    const before = Date.now();
    await save('john');
    const after = Date.now();
    const stored = JSON.parse((await redis.get(`user:john@${realm}`)) ?? '');
    expect(stored).toMatchObject({
      contact: 'sip:john@192.0.2.7:5060;transport=ws',
      sbcAddress: 'ws/10.0.0.5:8080,tcp/10.0.0.5:5060,udp/10.0.0.5:5060',
      privateSbcAddress: '10.0.0.5:5060',
      protocol: 'ws',
      proxy: 'sip:192.0.2.7:41638',
      allow_direct_app_calling: true,
      allow_direct_queue_calling: false,
      allow_direct_user_calling: true,
      expiryTime: clock.now() + 3_600_000,
    });
    expect(stored).not.toHaveProperty('callHook');
    const expiry = await redis.pexpiretime(`user:john@${realm}`);
    expect(expiry - 3_600_000).toBeWithin(before, after + 1);
    expect(await redis.zscore('active-user', `user:john@${realm}`)).toBe(String(clock.now() + 3_600_000));
  });

  test('unregistering leaves no trace', async () => {
    await save('brief');
    await location.update({
      aor: { user: 'brief', realm },
      callId: 'other',
      cseq: 1,
      save: [],
      remove: 'all',
      maxContacts: 1,
    });
    expect(await redis.exists(`user:brief@${realm}`)).toBe(0);
    expect(await redis.zscore('active-user', `user:brief@${realm}`)).toBeNull();
  });

  test('a binding that an older sidecar wrote counts, and is replaced', async () => {
    const expiryTime = clock.now() + 600_000;
    const old = { contact: 'sip:old@192.0.2.8', protocol: 'udp', proxy: 'sip:192.0.2.8:5060', expiryTime };
    await redis.set(`user:old@${realm}`, JSON.stringify(old), 'EX', 600);
    const { bindings } = await location.lookup({ user: 'old', realm }, { countRealm: false });
    expect(bindings).toMatchObject([{ contact: old.contact, key: old.contact, expiryTime }]);
    await save('old', {}, 5);
    expect((await location.lookup({ user: 'old', realm }, { countRealm: false })).bindings).toHaveLength(2);
    await save('old', { key: old.contact, contact: old.contact }, 5);
    expect((await location.lookup({ user: 'old', realm }, { countRealm: false })).bindings).toHaveLength(2);
  });

  test('what is no JSON counts as nothing and is overwritten', async () => {
    await redis.set(`user:junk@${realm}`, '}{');
    expect((await location.lookup({ user: 'junk', realm }, { countRealm: false })).bindings).toEqual([]);
    expect(await save('junk')).toMatchObject({ ok: true });
  });

  test('the next newest takes the place of one that expires, with its own score', async () => {
    const long = { key: 'long', contact: 'sip:long@192.0.2.1' };
    await save('two', long, 2);
    clock.advance(5);
    await save('two', { key: 'brief', contact: 'sip:brief@192.0.2.2', expiryTime: clock.now() + 300 }, 2);
    expect(JSON.parse((await redis.get(`user:two@${realm}`)) ?? '')).toMatchObject({ key: 'brief' });
    clock.advance(301);
    await location.promoteDue();
    const now = JSON.parse((await redis.get(`user:two@${realm}`)) ?? '');
    expect(now).toMatchObject({ key: 'long' });
    expect(await redis.zscore('active-user', `user:two@${realm}`)).toBe(String(now.expiryTime));
    expect(await redis.exists(`sidecar:others:two@${realm}`)).toBe(0);
  });

  test('expired members of active-user are trimmed on the way', async () => {
    await redis.zadd('active-user', clock.now() - 1, `user:expired@${realm}`);
    await save('trimmer');
    expect(await redis.zscore('active-user', `user:expired@${realm}`)).toBeNull();
  });

  test('what older sidecars wrote into active-user is counted after the index was reconciled', async () => {
    const other = 'older.example.com';
    const members = Array.from({ length: 1000 }, (_, i) => [clock.now() + 60_000, `user:u${i}@${other}`]).flat();
    await redis.zadd('active-user', ...members);
    await redis.zadd(`sidecar:realm:gone.example.com`, clock.now() + 60_000, 'user:ghost@gone.example.com');
    await redis.sadd('sidecar:realms', 'gone.example.com');
    const keeper = new RealmIndexKeeper(redis, logger);
    await keeper.reconcile();
    const count = async (realm: string) =>
      (await location.lookup({ user: 'x', realm }, { countRealm: true })).aorsInRealm;
    expect(await count(other)).toBe(1000);
    expect(await count('gone.example.com')).toBe(0);
    expect(await redis.sismember('sidecar:realms', 'gone.example.com')).toBe(0);
  });

  test('a REGISTER costs Redis the round trips that were promised', async () => {
    const monitor = await redis.duplicate().monitor();
    const seen: string[][] = [];
    const marker = Promise.withResolvers<void>();
    monitor.on('monitor', (_time: string, args: string[], source: string) => {
      if (args[0] === 'echo') marker.resolve();
      else if (source !== 'lua') seen.push(args);
    });
    await location.lookup({ user: 'john', realm }, { countRealm: true, nonceId: 'n' });
    await save('john');
    await redis.echo('done');
    await marker.promise;
    monitor.disconnect();
    expect(seen.map(([command]) => command)).toEqual(['evalsha', 'evalsha']);
  });
});
