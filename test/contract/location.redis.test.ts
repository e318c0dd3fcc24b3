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
    countAors: (realm, now) => redis.zcount(`sidecar:realm:${realm}`, `(${now}`, '+inf'),
    async removeExpired() {
      await location.promoteDue();
      await location.removeExpired();
    },
  };
});

describe('the keys that other services read', () => {
  const realm = 'contract.example.com';
  const clock = new ManualTimers(Date.now());
  const location = new RedisLocationService(redis, clock, logger);
  const binding = (changes: Partial<Binding> = {}): Binding => ({
    key: 'sip:john@192.0.2.7:5060;transport=ws',
    uri: 'sip:john@192.0.2.7:5060;transport=ws',
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
    ...(changes.contact !== undefined && { uri: changes.contact }),
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
      accountRealm: realm,
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
      accountRealm: realm,
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
    const { bindings } = await location.lookup({ user: 'old', realm }, { several: true });
    expect(bindings).toMatchObject([{ contact: old.contact, key: old.contact, expiryTime }]);
    await save('old', {}, 5);
    expect((await location.lookup({ user: 'old', realm }, { several: true })).bindings).toHaveLength(2);
    await save('old', { key: old.contact, contact: old.contact }, 5);
    expect((await location.lookup({ user: 'old', realm }, { several: true })).bindings).toHaveLength(2);
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
    const contacts = async () => (await location.lookup(aor, { several: true })).bindings.map((each) => each.contact);
    expect(await contacts()).toEqual([a, b, c]);
    await save('earlier', { key: d, contact: d }, 4);
    expect(await contacts()).toEqual([d, a, b, c]);
    await location.update({
      aor,
      accountRealm: realm,
      callId: 'another',
      cseq: 1,
      save: [],
      remove: [{ key: d, uri: d, contact: d }],
      maxContacts: 4,
    });
    expect(await contacts()).toEqual([a, b, c]);
    expect(JSON.parse((await redis.get(`user:earlier@${realm}`)) ?? '')).toMatchObject({ contact: a });
  });

  test('ignores and overwrites a value that is not JSON', async () => {
    await redis.set(`user:junk@${realm}`, '}{');
    expect((await location.lookup({ user: 'junk', realm }, { several: true })).bindings).toEqual([]);
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

  test('an earlier sidecar’s binding is replaced by the same URI with an instance', async () => {
    const expiryTime = clock.now() + 600_000;
    const contact = 'sip:Old@192.0.2.8:5060;transport=UDP;ob';
    const old = { contact, protocol: 'udp', proxy: 'sip:192.0.2.8:5060', expiryTime };
    await redis.set(`user:keyless@${realm}`, JSON.stringify(old), 'EX', 600);
    await save('keyless', { key: '<urn:uuid:1>;', uri: 'sip:Old@192.0.2.8:5060;ob;transport=udp', contact }, 5);
    const { bindings } = await location.lookup({ user: 'keyless', realm }, { several: true });
    expect(bindings.map((each) => each.key)).toEqual(['<urn:uuid:1>;']);
    expect(await redis.exists(`sidecar:others:keyless@${realm}`)).toBe(0);
  });

  test('a binding with an instance that our second version saved, without uri, is removed by its URI', async () => {
    const contact = 'sip:second@192.0.2.8:5060';
    const second = { ...storedFields, contact, key: '<urn:uuid:1>;', savedAt: clock.now(), rank: 0 };
    await redis.set(`user:second@${realm}`, JSON.stringify(second), 'EX', 600);
    const aor = { user: 'second', realm };
    expect((await location.lookup(aor, { several: false })).bindings).toMatchObject([{ uri: contact }]);
    const remove = [{ key: contact, uri: contact, contact }];
    const update = { aor, accountRealm: realm, callId: 'x', cseq: 1, save: [], remove, maxContacts: 5 };
    expect(await location.update(update)).toMatchObject({ ok: true, bindings: [], ended: [{ contact }] });
  });

  test('a nonce-count is stored for the rest of the nonce’s life', async () => {
    const id = crypto.randomUUID();
    const aor = { user: 'counted', realm };
    const nonce = { id, count: 1, issuedAt: clock.now() - 200_000, expiresAt: clock.now() + 100_000 };
    const before = Date.now();
    await location.update({
      aor,
      accountRealm: realm,
      callId: 'x',
      cseq: 1,
      save: [],
      remove: [],
      maxContacts: 1,
      nonce,
    });
    expect(await redis.pexpiretime(`sidecar:nonce:${id}`)).toBeWithin(before + 100_000, Date.now() + 100_001);
  });

  test('all AORs whose turn has come are promoted in one round, and have no turn afterwards', async () => {
    const users = Array.from({ length: 12 }, (_, i) => `turn${i}`);
    for (const user of users) {
      await save(user, { key: 'long', contact: 'sip:long@192.0.2.1' }, 2);
      clock.advance(1);
      await save(user, { key: 'brief', contact: 'sip:brief@192.0.2.2', expiryTime: clock.now() + 1000 }, 2);
    }
    for (const user of users) expect(await redis.zscore('sidecar:promotions', `${user}@${realm}`)).not.toBeNull();
    clock.advance(1001);
    await location.promoteDue();
    for (const user of users) {
      expect(JSON.parse((await redis.get(`user:${user}@${realm}`)) ?? '')).toMatchObject({ key: 'long' });
      expect(await redis.zscore('sidecar:promotions', `${user}@${realm}`)).toBeNull();
    }
  });

  test('no turn is left once the newest binding outlives the others', async () => {
    const member = `renewed@${realm}`;
    await save('renewed', { key: 'long', contact: 'sip:long@192.0.2.1' }, 2);
    clock.advance(1);
    const brief = { key: 'brief', contact: 'sip:brief@192.0.2.2' };
    await save('renewed', { ...brief, expiryTime: clock.now() + 60_000 }, 2);
    expect(await redis.zscore('sidecar:promotions', member)).toBe(String(clock.now() + 60_000));
    clock.advance(1);
    await save('renewed', { ...brief, expiryTime: clock.now() + 7_200_000 }, 2);
    expect(await redis.zscore('sidecar:promotions', member)).toBeNull();
  });

  test('promotion and removal keep the index of the account that a sub-domain belongs to', async () => {
    const aor = { user: 'sub', realm: `d1.${realm}` };
    const accountRealm = `account.${realm}`;
    const add = (changes: Partial<Binding>) =>
      location.update({
        aor,
        accountRealm,
        callId: crypto.randomUUID(),
        cseq: 1,
        save: [binding({ accountRealm, ...changes })],
        remove: [],
        maxContacts: 2,
      });
    await add({ key: 'long', contact: 'sip:long@192.0.2.1' });
    clock.advance(1);
    await add({ key: 'brief', contact: 'sip:brief@192.0.2.2', expiryTime: clock.now() + 1000 });
    clock.advance(1001);
    await location.promoteDue();
    const member = `user:sub@d1.${realm}`;
    expect(await redis.zscore(`sidecar:realm:${accountRealm}`, member)).toBe(await redis.zscore('active-user', member));
    expect(await redis.exists(`sidecar:realm:d1.${realm}`)).toBe(0);
    await location.removeFrom(aor, { proxy: 'sip:192.0.2.7:41638', protocol: 'ws', savedUntil: clock.now() });
    expect(await redis.zscore(`sidecar:realm:${accountRealm}`, member)).toBeNull();
  });

  test('skips malformed bindings of ours and says so once an AOR', async () => {
    await save('broken');
    const others = ['}{', '5', '{"contact":7,"expiryTime":1e15}', '{"contact":"sip:x@y","expiryTime":"soon"}'];
    await redis.hset(`sidecar:others:broken@${realm}`, Object.fromEntries(others.map((json, i) => [i, json])));
    const log = new RecordingLogger();
    const reading = new RedisLocationService(redis, clock, log);
    for (let i = 0; i < 2; i++)
      expect((await reading.lookup({ user: 'broken', realm }, { several: true })).bindings).toHaveLength(1);
    expect(log.lines.map(({ level }) => level)).toEqual(['warn']);
    expect(await save('broken', {}, 2)).toMatchObject({ ok: true });
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

  test('expired members of active-user are deleted, those of earlier jambonz sidecars too', async () => {
    await redis.zadd('active-user', clock.now() - 1, `user:expired@${realm}`);
    await location.removeExpired();
    expect(await redis.zscore('active-user', `user:expired@${realm}`)).toBeNull();
  });

  test('reconciling the index counts AORs saved by earlier jambonz sidecars', async () => {
    const other = 'older.example.com';
    const members = Array.from({ length: 1000 }, (_, i) => [clock.now() + 60_000, `user:u${i}@${other}`]).flat();
    await redis.zadd('active-user', ...members);
    await redis.zadd(`sidecar:realm:gone.example.com`, clock.now() + 60_000, 'user:removed@gone.example.com');
    await redis.sadd('sidecar:realms', 'gone.example.com');
    const keeper = new RealmIndexKeeper(redis, clock, logger, async (realm) => realm);
    await keeper.reconcile();
    const count = (realm: string) => redis.zcount(`sidecar:realm:${realm}`, `(${clock.now()}`, '+inf');
    expect(await count(other)).toBe(1000);
    expect(await count('gone.example.com')).toBe(0);

    const byAccount = new RealmIndexKeeper(redis, clock, logger, async (realm) => realm.replace(/^d1\./, ''));
    await redis.zadd('active-user', clock.now() + 60_000, `user:sub@d1.${other}`);
    await redis.zadd(`sidecar:realm:d1.${other}`, clock.now() + 60_000, `user:sub@d1.${other}`);
    await redis.sadd('sidecar:realms', `d1.${other}`);
    await byAccount.reconcile();
    expect(await count(other)).toBe(1001);
    expect(await count(`d1.${other}`)).toBe(0);
    expect(await redis.sismember('sidecar:realms', 'gone.example.com')).toBe(0);
  });

  test.each([
    [{ several: false }, ['get', 'evalsha']],
    [{ several: true }, ['get', 'hvals', 'evalsha']],
  ])('a look-up reads plainly, %j, and an update is one script', async (options, commands) => {
    const opener = redis.duplicate();
    const monitor = await opener.monitor();
    const seen: string[] = [];
    const marker = Promise.withResolvers<void>();
    monitor.on('monitor', (_time: string, [command = '']: string[], source: string) => {
      if (command === 'echo') marker.resolve();
      else if (source !== 'lua') seen.push(command);
    });
    await location.lookup({ user: 'john', realm }, options);
    await save('john');
    await redis.echo('done');
    await marker.promise;
    monitor.disconnect();
    opener.disconnect();
    expect(seen).toEqual(commands);
  });
});
