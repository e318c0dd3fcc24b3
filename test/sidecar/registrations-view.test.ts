import { Database } from 'bun:sqlite';
import { describe, expect, test } from 'bun:test';
import { SqliteLocationService } from '../../src/adapters/sqlite/location.ts';
import { SqliteRegistrations } from '../../src/adapters/sqlite/registrations.ts';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { Refused } from '../../src/admin/actions.ts';
import type { StreamParams } from '../../src/admin/protocol.ts';
import { EventBus } from '../../src/events/bus.ts';
import { LastRefusals } from '../../src/events/last-refusals.ts';
import type { Account, Client, Directory, Webhook } from '../../src/ports/directory.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import type { Aor, Binding } from '../../src/ports/location.ts';
import { type RegistrationSources, registrationsView } from '../../src/sidecar/registrations-view.ts';
import { bindingOf } from '../contract/registrations.ts';
import { refused } from '../events/support.ts';
import { unsyncedCommitter } from '../support/committer.ts';
import { RecordingLogger } from '../support/logger.ts';
import { impatient, ManualTimers, settle } from '../support/timers.ts';

const NEVER = new AbortController().signal;
const ACCOUNT: Account = { sid: 'account-1', realm: 'example.com', isActive: true, deviceToCallRatio: 0 };
const GRANT = { allowDirectAppCalling: 1, allowDirectQueueCalling: 0, allowDirectUserCalling: 1 };
const CLIENT: Client = { username: 'john', isActive: true, grant: GRANT };
const WEBHOOK: Webhook = { url: 'https://u:p@hook.example/?k=1', method: 'POST' };
const JOHN: Aor = { user: 'john', realm: 'example.com' };

function start(
  directory: Partial<Directory> = {},
  bans: { source: string; until: number }[] = [],
  changes: Partial<RegistrationSources> = {},
) {
  const timers = new ManualTimers();
  const logger = new RecordingLogger();
  const database = new Database(':memory:', { strict: true });
  database.run(SCHEMA);
  const location = new SqliteLocationService(database, unsyncedCommitter(database), timers, logger);
  const bus = new EventBus(timers);
  const lastRefusals = new LastRefusals();
  bus.follow((event) => lastRefusals.follow(event));
  const view = registrationsView({
    registrations: new SqliteRegistrations(database, timers),
    location,
    directory: { accountByRealm: async () => ACCOUNT, client: async () => CLIENT, ...directory },
    lastRefusals,
    bans: { bans: () => bans },
    events: bus,
    timers: impatient(timers),
    ...changes,
  });
  const save = (aor: Aor, ...bindings: Binding[]) =>
    location.update({
      aor,
      accountRealm: bindings[0]?.accountRealm ?? aor.realm,
      callId: crypto.randomUUID(),
      cseq: 1,
      save: bindings,
      remove: [],
      maxContacts: 10,
    });
  const binding = (contact: string, changes: Partial<Binding> = {}): Binding => ({
    ...bindingOf(contact, timers.now()),
    ...changes,
  });
  const contacts = async (aor = JOHN) =>
    (await location.lookup(aor, { several: true })).bindings.map(({ contact }) => contact);
  const list = async (filter: StreamParams<'reg-list'> = {}) =>
    (await Array.fromAsync(view.list(filter, NEVER))).flatMap(({ bindings }) => bindings);
  const counted = () => database.query('SELECT realm, aors FROM realms').all();
  return { timers, bus, view, save, binding, contacts, list, counted };
}

describe('the list', () => {
  test('has a row for each binding', async () => {
    const { timers, save, binding, list } = start();
    await save(
      JOHN,
      binding('sip:john@a'),
      binding('sip:john@b', { protocol: 'wss', proxy: 'sip:[2001:db8::1]:5061' }),
    );
    const expiresAt = timers.now() + 3_600_000;
    const row = { aor: 'john@example.com', userAgent: 'phone', expiresAt };
    expect(await list()).toEqual([
      { ...row, contact: 'sip:john@a', transport: 'udp', source: '192.0.2.1:5060' },
      { ...row, contact: 'sip:john@b', transport: 'wss', source: '[2001:db8::1]:5061' },
    ]);
  });

  test.each([
    [{ realm: 'EXAMPLE.com' }, ['a', 'b']],
    [{ source: '192.0.2.2' }, ['b', 'c']],
    [{ source: '[2001:DB8::0:1]' }, ['d']],
    [{ transport: 'wss' as const }, ['c']],
    [{ realm: 'example.com', source: '192.0.2.2', transport: 'udp' as const }, ['b']],
    [{ realm: 'example.com', source: '192.0.2.2', transport: 'tcp' as const }, []],
  ])('of %j', async (filter, users) => {
    const { save, binding, list } = start();
    const from = (proxy: string, protocol = 'udp') => binding('sip:x@y', { proxy: `sip:${proxy}`, protocol });
    await save({ user: 'a', realm: 'example.com' }, from('192.0.2.1:1'));
    await save({ user: 'b', realm: 'example.com' }, from('192.0.2.2:2'));
    await save({ user: 'c', realm: 'other.org' }, from('192.0.2.2:3', 'wss'));
    await save({ user: 'd', realm: 'other.org' }, from('[2001:db8::1]:4', 'tcp'));
    expect((await list(filter)).map(({ aor }) => aor.split('@')[0] ?? '')).toEqual(users);
  });

  test('of a source that is no address is refused', async () => {
    await expect(start().list({ source: 'nonsense' })).rejects.toThrow(new Refused('Invalid IP address: nonsense'));
  });
});

test('the list ends when its reader has gone, though it finds nothing', async () => {
  const timers = new ManualTimers();
  let batches = 0;
  const registrations = {
    async *batches() {
      for (;;) {
        batches++;
        yield [];
      }
    },
  };
  const gone = new AbortController();
  const listed = Array.fromAsync(start({}, [], { registrations, timers }).view.list({}, gone.signal));
  await timers.advanceAsync(20);
  const before = batches;
  expect(before).toBeGreaterThan(2);
  gone.abort();
  expect(await listed).toEqual([]);
  expect(batches).toBe(before);
});

test('phones are served between two batches of the list', async () => {
  const timers = new ManualTimers();
  const binding = bindingOf('sip:john@a', timers.now());
  let batches = 0;
  const registrations = {
    async *batches() {
      for (;;) {
        batches++;
        yield [{ aor: JOHN, bindings: [binding] }];
      }
    },
  };
  const list = start({}, [], { registrations, timers }).view.list({}, NEVER)[Symbol.asyncIterator]();
  await list.next();
  for (let i = 1; i < 5; i++) {
    const next = list.next();
    await settle();
    expect(batches).toBe(i);
    timers.advance(2);
    await next;
  }
});

describe('what is shown of an AOR', () => {
  test('has its bindings with every field', async () => {
    const { timers, view, save, binding } = start();
    const saved = binding('sip:john@a', {
      key: '<urn:uuid:1>;1',
      contactParams: ';reg-id=1',
      callId: 'call-1',
      cseq: 7,
      grant: {
        ...GRANT,
        callHook: { url: 'https://user:pass@hook.example/call?key=1', password: 'x' },
        callStatusHook: 'https://hook.example/status',
      },
    });
    await save(JOHN, saved);
    timers.advance(60_000);
    expect(await view.show('john@example.com')).toEqual({
      aor: 'john@example.com',
      bindings: [
        {
          aor: 'john@example.com',
          contact: 'sip:john@a',
          transport: 'udp',
          source: '192.0.2.1:5060',
          userAgent: 'phone',
          expiresAt: saved.expiryTime,
          contactParams: ';reg-id=1',
          key: '<urn:uuid:1>;1',
          callId: 'call-1',
          cseq: 7,
          registeredAt: saved.savedAt,
          sbcAddress: 'udp/10.0.0.1:5060',
          privateSbcAddress: '10.0.0.1:5060',
          callHook: 'https://hook.example/call',
          callStatusHook: 'https://hook.example/status',
          directAppCalling: true,
          directQueueCalling: false,
          directUserCalling: true,
        },
      ],
      account: { sid: 'account-1', realm: 'example.com', active: true, webhook: null },
      client: { username: 'john', active: true },
      unknownBecause: null,
      lastRefusal: null,
      now: timers.now(),
    });
  });

  test('is null where an earlier jambonz sidecar has stored nothing', async () => {
    const { view, save, binding } = start();
    const old = binding('sip:john@a', { callId: '', cseq: 0, savedAt: 0, protocol: '', proxy: '' });
    const { userAgent: _, ...withoutUserAgent } = old;
    await save(JOHN, withoutUserAgent);
    expect((await view.show('john@example.com')).bindings).toMatchObject([
      { transport: null, source: null, userAgent: null, callId: null, cseq: null, registeredAt: null, callHook: null },
    ]);
  });

  const away = () => Promise.reject(new Unavailable('MySQL', 'away'));

  test.each([
    ['no account', { accountByRealm: async () => undefined }, { account: null, unknownBecause: null }, ['client']],
    ['no client', { client: async () => undefined }, { client: null, unknownBecause: null }, []],
    [
      'a deactivated client',
      { client: async () => ({ ...CLIENT, isActive: false }) },
      { client: { active: false } },
      [],
    ],
    [
      'a deactivated account',
      { accountByRealm: async () => ({ ...ACCOUNT, isActive: false }) },
      { account: { active: false }, client: { active: true } },
      [],
    ],
    [
      'a webhook',
      { accountByRealm: async () => ({ ...ACCOUNT, webhook: WEBHOOK }), client: away },
      { account: { webhook: 'https://hook.example/' }, unknownBecause: null },
      ['client'],
    ],
    ['a database that is away', { accountByRealm: away }, { unknownBecause: 'MySQL: away' }, ['account', 'client']],
    [
      'clients that cannot be read',
      { client: away },
      { account: { active: true }, unknownBecause: 'MySQL: away' },
      ['client'],
    ],
  ] as [string, Partial<Directory>, object, string[]][])('with %s', async (_, directory, expected, absent) => {
    const shown = await start(directory).view.show('john@example.com');
    expect(shown).toMatchObject({ bindings: [], ...expected });
    expect(['account', 'client'].filter((name) => !(name in shown))).toEqual(absent);
  });

  test('has the last refusal, and whether its source is banned', async () => {
    const bans = [
      { source: '198.51.100.7', until: Number.MAX_SAFE_INTEGER },
      { source: '2001:db8:0:1::/64', until: 5 },
    ];
    const { timers, bus, view } = start({}, bans);
    const at = timers.now();
    bus.emit(refused('john@example.com', 'InvalidCredentials', { detail: 'user john', userAgent: 'phone' }));
    timers.advance(1000);
    const expected = {
      at,
      reason: 'InvalidCredentials',
      detail: 'user john',
      status: 403,
      source: '198.51.100.7:5060',
      transport: 'udp',
      userAgent: 'phone',
      callId: 'call',
      bannedUntil: Number.MAX_SAFE_INTEGER,
    };
    expect((await view.show('sip:john@EXAMPLE.com')).lastRefusal).toEqual(expected);
    bus.emit(refused('john@example.com', 'InvalidCredentials', { source: '[2001:db8:0:1::7]:5060' }));
    expect((await view.show('john@example.com')).lastRefusal).toMatchObject({ detail: null, bannedUntil: null });
  });

  test.each(['john', '@example.com', 'john@', '', 'sip:example.com'])('%j names no AOR', async (text) => {
    await expect(start().view.show(text)).rejects.toThrow(`Invalid AOR: ${text}; expected user@realm`);
  });

  test('is that of the realm as it is written, when an earlier jambonz sidecar has stored it so', async () => {
    const accountByRealm = async (realm: string) => (realm === 'example.com' ? ACCOUNT : undefined);
    const { view, save, binding, bus } = start({ accountByRealm });
    await save({ user: 'john', realm: 'Example.COM' }, binding('sip:old@a'));
    bus.emit(refused('john@example.com', 'InvalidCredentials'));
    expect(await view.show('john@Example.COM')).toMatchObject({
      aor: 'john@Example.COM',
      bindings: [{ contact: 'sip:old@a' }],
      account: { realm: 'example.com' },
      lastRefusal: { reason: 'InvalidCredentials' },
    });
    await save(JOHN, binding('sip:new@a'));
    expect(await view.show('john@EXAMPLE.com')).toMatchObject({
      aor: 'john@example.com',
      bindings: [{ contact: 'sip:new@a' }],
    });
  });
});

describe('a removal', () => {
  test('of an AOR removes all its bindings, which is an event each', async () => {
    const { view, save, binding, contacts, bus } = start();
    await save(JOHN, binding('sip:john@a', { callId: 'call-1' }), binding('sip:john@b', { callId: 'call-2' }));
    expect(await view.remove('sip:john@EXAMPLE.com')).toEqual({
      aor: 'john@example.com',
      removed: ['sip:john@a', 'sip:john@b'],
      remaining: 0,
    });
    expect(await contacts()).toEqual([]);
    expect(bus.recent().map(({ id: _, at: __, ...event }) => event)).toEqual(
      ['a', 'b'].map((host, i) => ({
        type: 'unregistered',
        aor: 'john@example.com',
        presence: 'offline',
        contact: `sip:john@${host}`,
        source: '192.0.2.1:5060',
        transport: 'udp',
        userAgent: 'phone',
        callId: `call-${i + 1}`,
        cause: 'operator',
      })),
    );
  });

  test.each([
    ['as it was registered', 'sip:John@A:5060;transport=UDP'],
    ['in another spelling', 'sip:%4Aohn@a:5060;transport=udp'],
    ['by its instance', '<urn:uuid:1>;'],
  ])('of one Contact, %s, leaves the others', async (_, contact) => {
    const { view, save, binding, contacts, bus } = start();
    const instance = { key: '<urn:uuid:1>;', uri: 'sip:John@a:5060;transport=udp' };
    await save(JOHN, binding('sip:John@A:5060;transport=UDP', instance), binding('sip:john@b'));
    expect(await view.remove('john@example.com', contact)).toMatchObject({ remaining: 1 });
    expect(await contacts()).toEqual(['sip:john@b']);
    expect(bus.recent()).toMatchObject([{ presence: 'online' }]);
  });

  test('is never out of order, with any Call-ID and CSeq the phone has used', async () => {
    const { view, save, binding, contacts } = start();
    await save(JOHN, binding('sip:john@a', { callId: '', cseq: 2 ** 31 - 1 }));
    await view.remove('john@example.com');
    expect(await contacts()).toEqual([]);
  });

  test('of an AOR of a sub-domain is counted for the realm of its account', async () => {
    const { view, save, binding, counted } = start();
    const aor = { user: 'john', realm: 'sub.example.com' };
    await save(
      aor,
      binding('sip:john@a', { accountRealm: 'example.com' }),
      binding('sip:john@b', { accountRealm: 'example.com' }),
    );
    await view.remove('john@sub.example.com', 'sip:john@a');
    expect(counted()).toEqual([{ realm: 'example.com', aors: 1 }]);
    await view.remove('john@sub.example.com');
    expect(counted()).toEqual([{ realm: 'example.com', aors: 0 }]);
  });

  test.each([
    [undefined, 'john@example.com is not registered'],
    ['sip:john@b', 'john@example.com is not registered at sip:john@b'],
  ])('of Contact %j that does not exist is refused', async (contact, error) => {
    const { view, save, binding, contacts } = start();
    if (contact !== undefined) await save(JOHN, binding('sip:john@a'));
    await expect(view.remove('john@example.com', contact)).rejects.toThrow(new Refused(error));
    expect(await contacts()).toEqual(contact === undefined ? [] : ['sip:john@a']);
  });
});
