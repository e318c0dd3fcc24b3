import { afterAll, describe, expect, test } from 'bun:test';
import { Redis } from 'ioredis';
import { RedisLocationService } from '../../src/adapters/redis/location.ts';
import { RealmIndexKeeper } from '../../src/adapters/redis/realm-index.ts';
import type { Binding } from '../../src/ports/location.ts';
import { RecordingLogger } from '../support/logger.ts';
import { sharedRedis } from '../support/redis.ts';
import { ManualTimers } from '../support/timers.ts';
import { locationServiceContract } from './location-service.ts';

const server = await sharedRedis();
const redis = new Redis({ host: server.host, port: server.port, enableAutoPipelining: true });
const logger = new RecordingLogger();
afterAll(() => redis.disconnect());

locationServiceContract('Redis', (timers) => {
  const location = new RedisLocationService(redis, timers, logger);
  return {
    location,
    async callTarget({ user, realm }) {
      await location.promoteDue();
      const json = await redis.get(`user:${user}@${realm}`);
      return json === null ? undefined : JSON.parse(json).contact;
    },
  };
});

describe('the keys that other services read', () => {
  const realm = 'contract.example.com';
  const clock = new ManualTimers(Date.now());
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
  const storedFields = {
    sbcAddress: 'udp/10.0.0.5:5060',
    privateSbcAddress: '10.0.0.5:5060',
    protocol: 'udp',
    proxy: 'sip:192.0.2.7:5060',
    allow_direct_app_calling: true,
    allow_direct_queue_calling: true,
    allow_direct_user_calling: true,
    expiryTime: clock.now() + 600_000,
    contactParams: '',
    callId: 'earlier',
    cseq: 1,
  };
  const save = (user: string, changes: Partial<Binding> = {}, maxContacts = 1) =>
    location.update({
      aor: { user, realm },
      callId: crypto.randomUUID(),
      cseq: 1,
      save: [binding(changes)],
      remove: [],
      maxContacts,
    });

  test('user:<aor> has the documented fields and the granted expiry', async () => {
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

  test('removing the last binding deletes user:<aor> and its member of active-user', async () => {
    await save('removed');
    await location.update({
      aor: { user: 'removed', realm },
      callId: 'other',
      cseq: 1,
      save: [],
      remove: 'all',
      maxContacts: 1,
    });
    expect(await redis.exists(`user:removed@${realm}`)).toBe(0);
    expect(await redis.zscore('active-user', `user:removed@${realm}`)).toBeNull();
  });

  test('reads and replaces a binding saved by an earlier jambonz sidecar', async () => {
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

  test('bindings of our first version keep the order of their fractional savedAt', async () => {
    const saved = (contact: string, savedAt: number) =>
      JSON.stringify({ ...storedFields, contact, key: contact, savedAt });
    const time = clock.now() - 1000;
    const [a, b, c, d] = ['sip:a@192.0.2.1', 'sip:b@192.0.2.2', 'sip:c@192.0.2.3', 'sip:d@192.0.2.4'];
    // The first version stored the last contact of a REGISTER at user:<aor>.
    await redis.set(`user:earlier@${realm}`, saved(c, time - 0.002), 'EX', 600);
    await redis.hset(`sidecar:others:earlier@${realm}`, { [a]: saved(a, time), [b]: saved(b, time - 0.001) });

    const aor = { user: 'earlier', realm };
    const contacts = async () =>
      (await location.lookup(aor, { countRealm: false })).bindings.map((each) => each.contact);
    expect(await contacts()).toEqual([a, b, c]);
    await save('earlier', { key: d, contact: d }, 4);
    expect(await contacts()).toEqual([d, a, b, c]);
    await location.update({ aor, callId: 'another', cseq: 1, save: [], remove: [d], maxContacts: 4 });
    expect(await contacts()).toEqual([a, b, c]);
    expect(JSON.parse((await redis.get(`user:earlier@${realm}`)) ?? '')).toMatchObject({ contact: a });
  });

  test('ignores and overwrites a value that is not JSON', async () => {
    await redis.set(`user:junk@${realm}`, '}{');
    expect((await location.lookup({ user: 'junk', realm }, { countRealm: false })).bindings).toEqual([]);
    expect(await save('junk')).toMatchObject({ ok: true });
  });

  test('promotes the next binding when the newest expires, with its own score', async () => {
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

  test('promotion is repeated from start to stop', async () => {
    const timers = new ManualTimers(Date.now());
    const promoting = new RedisLocationService(redis, timers, logger);
    promoting.start();
    promoting.start();
    expect(timers.pending).toBe(1);
    timers.advance(5000);
    expect(timers.pending).toBe(1);
    promoting.stop();
    expect(timers.pending).toBe(0);
  });

  test('an update deletes expired members of active-user', async () => {
    await redis.zadd('active-user', clock.now() - 1, `user:expired@${realm}`);
    await save('trimmer');
    expect(await redis.zscore('active-user', `user:expired@${realm}`)).toBeNull();
  });

  test('reconciling the index counts AORs saved by earlier jambonz sidecars', async () => {
    const other = 'older.example.com';
    const members = Array.from({ length: 1000 }, (_, i) => [clock.now() + 60_000, `user:u${i}@${other}`]).flat();
    await redis.zadd('active-user', ...members);
    await redis.zadd(`sidecar:realm:gone.example.com`, clock.now() + 60_000, 'user:removed@gone.example.com');
    await redis.sadd('sidecar:realms', 'gone.example.com');
    const keeper = new RealmIndexKeeper(redis, clock, logger);
    await keeper.reconcile();
    const count = async (realm: string) =>
      (await location.lookup({ user: 'x', realm }, { countRealm: true })).aorsInRealm;
    expect(await count(other)).toBe(1000);
    expect(await count('gone.example.com')).toBe(0);
    expect(await redis.sismember('sidecar:realms', 'gone.example.com')).toBe(0);
  });

  test('lookup and update take one round trip each', async () => {
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
