import { Database } from 'bun:sqlite';
import { describe, expect, test } from 'bun:test';
import { SqliteLease } from '../../src/adapters/sqlite/lease.ts';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { SqliteServerPool } from '../../src/adapters/sqlite/server-pool.ts';
import {
  type AdminRules,
  type EventsView,
  type OutboundView,
  perform,
  Refused,
  type RegistrationsView,
} from '../../src/admin/actions.ts';
import type { Operator } from '../../src/admin/audit.ts';
import type { Answer } from '../../src/admin/client-connection.ts';
import { SettingError, Settings } from '../../src/admin/settings.ts';
import { QueryFault, Unavailable } from '../../src/ports/errors.ts';
import type { SidecarEvent } from '../../src/ports/events.ts';
import type { ServerPool } from '../../src/ports/server-pool.ts';
import type { TrunkRegistrationView } from '../../src/regbot/registration-context.ts';
import { type OutboundState, outboundView } from '../../src/sidecar/operator-view.ts';
import { unsyncedCommitter } from '../support/committer.ts';
import { RecordingLogger } from '../support/logger.ts';
import { secret } from '../support/secrets.ts';
import { ManualTimers } from '../support/timers.ts';

const NEVER = new AbortController().signal;
const unasked = () => Promise.reject(new Error('not part of this test'));
const NO_REGISTRATIONS: RegistrationsView = { list: () => of(), show: unasked, remove: unasked };

async function* of<T>(...parts: readonly T[]) {
  yield* parts;
}

function start(changes: Partial<AdminRules> = {}) {
  const clock = new ManualTimers();
  const logger = new RecordingLogger();
  const database = new Database(':memory:', { strict: true });
  database.run(SCHEMA);
  const pool = new SqliteServerPool(database, unsyncedCommitter(database), clock);
  let level = 'info';
  const settings = new Settings({
    logLevel: {
      get: () => level,
      set(value) {
        if (value !== 'debug') throw new SettingError('logLevel must be debug');
        level = value;
      },
    },
  });
  const events: SidecarEvent[] = [];
  const rules: AdminRules = {
    pool,
    settings,
    silentMs: 60_000,
    now: () => clock.now(),
    outbound: outboundView(IDLE, new SqliteLease(database, 'test'), clock),
    bus: { emit: (event) => events.push(event) },
    bans: { bans: () => [], clear: async () => [] },
    registrations: NO_REGISTRATIONS,
    events: { follow: () => of() },
    reload: () => 'reloaded',
    config: () => ({ variables: [] }),
    audit: logger,
    status: () => Promise.reject(new Error('not part of this test')),
    ...changes,
  };
  const send = (request: unknown, operator?: Operator) => perform(rules, request, NEVER, operator);
  const checkIn = (member: string, calls: number) => pool.checkIn({ kind: 'feature', member, open: true, calls });
  return { send, checkIn, events, clock, pool, logger, level: () => level };
}

describe('feature servers', () => {
  test('drain and undrain answer with all drained servers', async () => {
    const { send, checkIn, events } = start();
    await checkIn('10.0.0.1:5060', 3);
    expect(await send({ action: 'fs-drain', server: '10.0.0.1:5060' })).toEqual({
      success: true,
      action: 'drain',
      server: '10.0.0.1',
      drained: ['10.0.0.1'],
    });
    expect(await send({ action: 'fs-available' })).toEqual({ success: true, available: [] });
    expect(await send({ action: 'fs-drained' })).toEqual({ success: true, drained: ['10.0.0.1'] });
    expect(await send({ action: 'fs-undrain', server: '10.0.0.1' })).toMatchObject({ action: 'undrain', drained: [] });
    expect(await send({ action: 'fs-available' })).toEqual({ success: true, available: ['10.0.0.1:5060'] });
    expect(events).toEqual([
      { type: 'drained', server: '10.0.0.1' },
      { type: 'undrained', server: '10.0.0.1' },
    ]);
  });

  test('the list contains active, drained and orphaned servers', async () => {
    const { send, checkIn, clock } = start();
    await checkIn('10.0.0.1:5060', 3);
    await checkIn('10.0.0.2:5060', 0);
    await send({ action: 'fs-drain', server: '10.0.0.2' });
    await send({ action: 'fs-drain', server: '[2001:DB8::9]' });
    const now = clock.now();
    expect(await send({ action: 'fs-list' })).toEqual({
      success: true,
      servers: [
        { server: '10.0.0.1:5060', status: 'active', calls: 3, lastCheckIn: now, serviceUrl: null },
        { server: '10.0.0.2:5060', status: 'drained', calls: 0, lastCheckIn: now, serviceUrl: null },
        { server: '2001:db8::9', status: 'orphaned', calls: null, lastCheckIn: null, serviceUrl: null },
      ],
      drained: ['10.0.0.2', '2001:db8::9'],
      now,
    });
  });

  test('undrain reactivates a server unless it has been silent for too long', async () => {
    const { send, checkIn, clock } = start();
    await checkIn('10.0.0.1:5060', 0);
    clock.advance(1);
    await checkIn('10.0.0.2:5060', 0);
    for (const server of ['10.0.0.1', '10.0.0.2']) await send({ action: 'fs-drain', server });
    clock.advance(60_000);
    for (const server of ['10.0.0.1', '10.0.0.2']) await send({ action: 'fs-undrain', server });
    expect(await send({ action: 'fs-available' })).toEqual({ success: true, available: ['10.0.0.2:5060'] });
  });

  test('the list has the service URL of a server', async () => {
    const { send, pool } = start();
    const serviceUrl = 'http://10.0.0.1:3000';
    await pool.checkIn({ kind: 'feature', member: '10.0.0.1:5060', open: true, serviceUrl });
    expect(await send({ action: 'fs-list' })).toMatchObject({ servers: [{ serviceUrl, calls: null }] });
  });

  test.each([
    ['fs1', 'Invalid IP address: fs1'],
    ['10.0.0.256', 'Invalid IP address: 10.0.0.256'],
    ['', 'Invalid IP address: '],
    [undefined, 'Invalid IP address: '],
    [{ ip: 1 }, 'Invalid IP address: '],
  ])('%p is refused as a server', async (server, error) => {
    const { send, pool } = start();
    expect(await send({ action: 'fs-drain', server })).toEqual({ success: false, error });
    expect(await send({ action: 'fs-undrain', server })).toEqual({ success: false, error });
    expect((await pool.featureServers()).drained).toEqual([]);
  });

  test('with force false, the last active server is not drained, nor one that has not checked in', async () => {
    const { send, checkIn, pool } = start();
    const drain = (server: string, force?: boolean) =>
      send({ action: 'fs-drain', server, ...(force === undefined ? {} : { force }) });
    await checkIn('10.0.0.1:5060', 3);
    await checkIn('[2001:db8::1]:5060', 0);
    expect(await drain('10.0.0.9', false)).toEqual({
      success: false,
      error:
        'no feature server at 10.0.0.9 has checked in. To drain 10.0.0.9 all the same: sbc-sip-sidecar fs drain 10.0.0.9 --force',
    });
    expect(await drain('10.0.0.1', false)).toMatchObject({ success: true });
    expect(await drain('10.0.0.1', false)).toMatchObject({ success: true });
    expect(await drain('[2001:DB8::1]', false)).toEqual({
      success: false,
      error:
        '2001:db8::1 is the last active feature server: new calls would fail. To drain 2001:db8::1 all the same: sbc-sip-sidecar fs drain 2001:db8::1 --force',
    });
    expect((await pool.featureServers()).drained).toEqual(['10.0.0.1']);
    expect(await drain('2001:db8::1', true)).toMatchObject({ success: true });
    expect(await drain('10.0.0.9')).toMatchObject({ drained: ['10.0.0.1', '10.0.0.9', '2001:db8::1'] });
  });

  test('two servers at one address are the last together', async () => {
    const { send, checkIn } = start();
    await checkIn('10.0.0.1:5060', 0);
    await checkIn('10.0.0.1:5070', 0);
    const answer = await send({ action: 'fs-drain', server: '10.0.0.1', force: false });
    expect(answer).toMatchObject({ success: false, error: expect.stringContaining('the last active feature server') });
  });

  test('those in Kubernetes are counted while none checks in', async () => {
    const { pool } = start();
    pool.inKubernetes = async () => 3;
    const { send } = start({ pool });
    expect(await send({ action: 'fs-list' })).toMatchObject({ servers: [], kubernetes: 3 });
    expect(await send({ action: 'fs-drain', server: '10.0.0.9', force: false })).toMatchObject({
      error: expect.stringContaining('no feature server checks in: 3 run in Kubernetes (fsUUIDs), which drains them'),
    });
    expect(await send({ action: 'fs-drain', server: '10.0.0.9' })).toMatchObject({ success: true, kubernetes: 3 });
    await pool.checkIn({ kind: 'feature', member: '10.0.0.1:5060', open: true });
    expect(await send({ action: 'fs-list' })).not.toHaveProperty('kubernetes');
  });

  test('are listed when Redis does not let us count those in Kubernetes', async () => {
    const { pool } = start();
    pool.inKubernetes = () => Promise.reject(new QueryFault('Redis', 'no permission', 'NOPERM'));
    expect(await start({ pool }).send({ action: 'fs-list' })).toMatchObject({ success: true, servers: [] });
  });

  test('an unavailable store is a refusal with its message', async () => {
    const away = { drain: () => Promise.reject(new Unavailable('Redis', 'gone')) } as Partial<ServerPool> as ServerPool;
    const { send } = start({ pool: away });
    expect(await send({ action: 'fs-drain', server: '10.0.0.1' })).toEqual({ success: false, error: 'Redis: gone' });
  });
});

const IDLE: OutboundState = {
  leader: { mayAct: () => false },
  fleet: { snapshot: () => [], skipped: () => [], refreshNow: async () => 'not leading' },
  pinger: { snapshot: () => [] },
  token: 'sbc-1/7/abc',
};

describe('trunks and gateways of a sidecar that is not the leader', () => {
  test('the lists are empty', async () => {
    const { send, clock } = start();
    const noLeader = { success: true, leading: false, holder: null, now: clock.now() };
    expect(await send({ action: 'trunk-list' })).toEqual({ ...noLeader, trunks: [], skipped: [] });
    expect(await send({ action: 'gateway-list' })).toEqual({ ...noLeader, gateways: [] });
  });

  test.each([[{ action: 'trunk-show', gateway: 'x' }], [{ action: 'trunk-refresh' }]])(
    '%p is refused with the reason',
    async (request) => {
      const error = 'no sidecar registers at carriers now';
      expect(await start().send(request)).toEqual({ success: false, error });
    },
  );
});

describe('the trunks of the leader', () => {
  const view = (carrier: string, gateway: string): TrunkRegistrationView => ({
    ...{ carrier, gateway, carrierSid: 'c-1', host: 'sip.example.com', port: undefined, transport: 'udp' },
    ...{ realm: 'example.com', username: 'us', trunkType: 'auth', state: 'registered', since: 0 },
    ...{ expiresAt: undefined, lastReason: undefined, nextTryAt: undefined, failures: 0, cseq: 1 },
  });

  /** A fleet that finds `added` when it reads the carriers. */
  function leading(added: readonly TrunkRegistrationView[] = []) {
    let trunks: readonly TrunkRegistrationView[] = [view('Acme', '4e5a-1'), view('Bell', 'b0c9-1')];
    const refreshed: (string | undefined)[] = [];
    const state: OutboundState = {
      ...IDLE,
      leader: { mayAct: () => true },
      fleet: {
        ...IDLE.fleet,
        snapshot: () => [...trunks],
        skipped: () => [{ carrier: 'Cable', carrierSid: 'c-2', gateway: 'ffff-1', why: 'it has no password' }],
        refreshNow: async (gateway) => {
          trunks = [...trunks, ...added];
          refreshed.push(gateway);
          return 'done';
        },
      },
    };
    const database = new Database(':memory:', { strict: true });
    database.run(SCHEMA);
    const lease = new SqliteLease(database, 'test');
    return { ...start({ outbound: outboundView(state, lease, new ManualTimers()) }), refreshed };
  }

  test('are shown and refreshed by SID, its beginning, or the name of the carrier', async () => {
    const { send, refreshed } = leading();
    for (const gateway of ['b0c9-1', 'b0', 'bell']) {
      expect(await send({ action: 'trunk-show', gateway })).toMatchObject({ trunk: { gateway: 'b0c9-1' } });
      expect(await send({ action: 'trunk-refresh', gateway })).toMatchObject({
        refreshed: 'registering at b0c9-1 now',
      });
    }
    expect(refreshed).toEqual(['b0c9-1', 'b0c9-1', 'b0c9-1']);
  });

  test('are read again for one that is not known', async () => {
    const { send, refreshed } = leading([view('New', 'd00d-1')]);
    expect(await send({ action: 'trunk-refresh', gateway: 'new' })).toMatchObject({ success: true });
    expect(refreshed).toEqual([undefined, 'd00d-1']);
  });

  test('one that cannot be registered is refused with the reason', async () => {
    const { send } = leading();
    const error = 'Cable is not registered: it has no password';
    for (const gateway of ['ffff', 'cable']) {
      expect(await send({ action: 'trunk-show', gateway })).toEqual({ success: false, error });
      expect(await send({ action: 'trunk-refresh', gateway })).toEqual({ success: false, error });
    }
  });

  test('an unknown one is refused, with the name that is meant', async () => {
    const { send } = leading();
    const error = 'Unknown trunk: Amce. Did you mean Acme?';
    expect(await send({ action: 'trunk-show', gateway: 'Amce' })).toEqual({ success: false, error });
    expect(await send({ action: 'trunk-refresh', gateway: 'Amce' })).toEqual({ success: false, error });
  });
});

test('trunk actions concern the named gateway; a refresh may name none', async () => {
  const outbound: OutboundView = {
    trunks: () => Promise.reject(new Error('not asked')),
    gateways: () => Promise.reject(new Error('not asked')),
    trunk: (gateway) => Promise.reject(new Refused(`no trunk ${gateway}`)),
    refresh: async (gateway) => gateway ?? 'all',
  };
  const { send } = start({ outbound });
  expect(await send({ action: 'trunk-show', gateway: 'g1' })).toEqual({ success: false, error: 'no trunk g1' });
  expect(await send({ action: 'trunk-refresh', gateway: 'g1' })).toEqual({ success: true, refreshed: 'g1' });
  expect(await send({ action: 'trunk-refresh' })).toEqual({ success: true, refreshed: 'all' });
});

describe('a stream', () => {
  const row = { aor: 'a@x', contact: 'sip:a', transport: null, source: null, userAgent: null, expiresAt: 1 };
  const part = { bindings: [row], now: 1 };

  async function linesOf(answer: Answer) {
    return Symbol.asyncIterator in answer ? Array.fromAsync(answer) : [answer];
  }

  test('is a line for each part, and a last one', async () => {
    const asked: unknown[] = [];
    const list = (filter: unknown) => {
      asked.push(filter);
      return of(part, part);
    };
    const { send } = start({ registrations: { ...NO_REGISTRATIONS, list } });
    const line = { success: true, more: true, ...part };
    const request = { action: 'reg-list', realm: 'x', source: '192.0.2.1', transport: 'UDP', other: 1 };
    expect(await linesOf(await send(request))).toEqual([line, line, { success: true, more: false }]);
    expect(asked).toEqual([{ realm: 'x', source: '192.0.2.1', transport: 'udp' }]);
  });

  test.each([
    ['an outage', new Unavailable('Redis', 'away')],
    ['a refusal', new Refused('Invalid IP address: x')],
  ])('that fails by %s ends with its message', async (_, error) => {
    async function* list() {
      yield part;
      throw error;
    }
    const { send } = start({ registrations: { ...NO_REGISTRATIONS, list } });
    expect(await linesOf(await send({ action: 'reg-list' }))).toEqual([
      { success: true, more: true, ...part },
      { success: false, error: error.message },
    ]);
  });

  test('of events gets the filter, and the signal of a client that goes', async () => {
    const asked: unknown[] = [];
    const follow: EventsView['follow'] = (...args) => {
      asked.push(args);
      return of();
    };
    const request = { action: 'events', aor: 'a@x', types: ['refused'], recent: 5 };
    await linesOf(await start({ events: { follow } }).send(request));
    expect(asked).toEqual([[{ aor: 'a@x', types: ['refused'], recent: 5 }, NEVER]]);
  });

  test.each([
    [{ action: 'reg-list', realm: '' }, 'realm expected'],
    [{ action: 'reg-list', transport: 'sctp' }, 'transport must be one of udp, tcp, tls, ws, wss'],
    [{ action: 'events', types: [''] }, 'type expected'],
    [{ action: 'reg-show' }, 'aor expected'],
    [{ action: 'reg-remove', aor: 'a@x', contact: '' }, 'contact expected'],
    [{ action: 'toString' }, 'Unknown action'],
  ])('%p is refused in one line', async (request, error) => {
    expect(await linesOf(await start().send(request))).toEqual([{ success: false, error }]);
  });
});

test('actions on an AOR name it, and the Contact if there is one', async () => {
  const asked: unknown[] = [];
  const remove: RegistrationsView['remove'] = async (...args) => {
    asked.push(args);
    return { aor: 'a@x', removed: ['sip:a'], remaining: 0 };
  };
  const { send } = start({ registrations: { ...NO_REGISTRATIONS, remove } });
  expect(await send({ action: 'reg-remove', aor: 'a@x', contact: 'sip:a' })).toMatchObject({
    success: true,
    remaining: 0,
  });
  await send({ action: 'reg-remove', aor: 'a@x' });
  expect(asked).toEqual([
    ['a@x', 'sip:a'],
    ['a@x', undefined],
  ]);
});

describe('bans', () => {
  test('are listed with the time', async () => {
    const bans = [{ source: '198.51.100.7', until: 5000 }];
    const { send, clock } = start({ bans: { bans: () => bans, clear: async () => [] } });
    expect(await send({ action: 'ban-list' })).toEqual({ success: true, bans, now: clock.now() });
  });

  test.each([
    [undefined, undefined],
    ['198.51.100.7', '198.51.100.7'],
    ['[2001:DB8::0:7]:5060', '2001:db8::7'],
    ['2001:db8:0:1::/64', '2001:db8:0:1::'],
  ])('of %p are lifted: %p', async (ip, asked) => {
    const cleared: unknown[] = [];
    const clear = async (address?: string) => {
      cleared.push(address);
      return ['198.51.100.7'];
    };
    const { send } = start({ bans: { bans: () => [], clear } });
    const request = { action: 'ban-clear', ...(ip !== undefined && { ip }) };
    expect(await send(request)).toEqual({ success: true, lifted: ['198.51.100.7'] });
    expect(cleared).toEqual([asked]);
  });

  test.each([['nonsense'], ['10.0.0.0/8'], ['']])('%p is no address', async (ip) => {
    const answer = await start().send({ action: 'ban-clear', ip });
    expect(answer).toEqual({ success: false, error: ip === '' ? 'ip expected' : `Invalid IP address: ${ip}` });
  });

  test('are not lifted while the store is away', async () => {
    const clear = () => Promise.reject(new Unavailable('Redis', 'away'));
    const { send } = start({ bans: { bans: () => [], clear } });
    expect(await send({ action: 'ban-clear' })).toEqual({ success: false, error: 'Redis: away' });
  });
});

describe('settings', () => {
  test('known settings take effect, unknown ones are stored without effect', async () => {
    const { send, level } = start();
    expect(await send({ action: 'set', key: 'logLevel', value: 'debug' })).toEqual({
      success: true,
      key: 'logLevel',
      value: 'debug',
      effect: true,
    });
    expect(level()).toBe('debug');
    expect(await send({ action: 'set', key: 'logLevel', value: 'loud' })).toEqual({
      success: false,
      error: 'logLevel must be debug',
    });
    expect(await send({ action: 'set', key: 'colour', value: 'blue' })).toMatchObject({ success: true, effect: false });
    expect(await send({ action: 'get', key: 'colour' })).toEqual({ success: true, key: 'colour', value: 'blue' });
    expect(await send({ action: 'get', key: 'logLevel' })).toMatchObject({ value: 'debug' });
    expect(await send({ action: 'list' })).toEqual({ success: true, config: { logLevel: 'debug', colour: 'blue' } });
  });

  test('add and remove change a list', async () => {
    const { send } = start();
    await send({ action: 'set', key: 'friends', value: 'a, b' });
    expect(await send({ action: 'add', key: 'friends', item: 'c' })).toMatchObject({
      array: ['a', 'b', 'c'],
      added: true,
    });
    expect(await send({ action: 'add', key: 'friends', item: 'c' })).toMatchObject({ added: false });
    expect(await send({ action: 'remove', key: 'friends', item: 'a' })).toMatchObject({
      array: ['b', 'c'],
      removed: true,
    });
    expect(await send({ action: 'remove', key: 'friends', item: 'a' })).toMatchObject({ removed: false });
    expect(await send({ action: 'get', key: 'friends' })).toMatchObject({ value: ['b', 'c'] });
  });

  test('an empty text is an empty list', async () => {
    const { send } = start();
    await send({ action: 'set', key: 'friends', value: ' , ' });
    expect(await send({ action: 'add', key: 'friends', item: 'a' })).toMatchObject({ array: ['a'] });
  });

  test('changing the list of a known setting takes effect, on a copy', async () => {
    const first = ['a'];
    let list: unknown = first;
    const settings = new Settings({
      list: {
        get: () => list,
        set(value) {
          list = value;
        },
      },
    });
    expect(settings.add('list', 'b')).toEqual({ array: ['a', 'b'], added: true });
    expect(list).toEqual(['a', 'b']);
    expect(settings.remove('list', 'a')).toEqual({ array: ['b'], removed: true });
    expect(list).toEqual(['b']);
    expect(first).toEqual(['a']);
  });

  test('a key may have 256 characters', async () => {
    const key = 'x'.repeat(256);
    expect(await start().send({ action: 'get', key })).toEqual({ success: true, key });
  });

  test.each([
    [{ action: 'set', value: 1 }, 'key expected'],
    [{ action: 'set', key: 'x' }, 'value expected'],
    [{ action: 'get', key: 5 }, 'key expected'],
    [{ action: 'get', key: 'x'.repeat(257) }, 'key is longer than 256 characters'],
    [{ action: 'add', key: 'x' }, 'value expected'],
    [{ action: 'trunk-show' }, 'gateway expected'],
    [{ action: 'trunk-refresh', gateway: '' }, 'gateway expected'],
  ])('%p is refused', async (request, error) => {
    const { send } = start();
    expect(await send(request)).toEqual({ success: false, error });
    expect(await send({ action: 'list' })).toMatchObject({ config: { logLevel: 'info' } });
  });

  test('names of built-in object members are ordinary keys', async () => {
    const { send } = start();
    expect(await send({ action: 'get', key: 'constructor' })).toEqual({ success: true, key: 'constructor' });
    expect(await send({ action: 'set', key: '__proto__', value: 1 })).toMatchObject({ effect: false });
    expect(await send({ action: 'get', key: '__proto__' })).toMatchObject({ value: 1 });
  });

  test('there are at most 1000 settings, and no other way to add one more', async () => {
    const settings = new Settings({});
    for (let i = 0; i < 1000; i++) settings.set(`key${i}`, i);
    expect(() => settings.set('one more', 1)).toThrow('there are 1000 settings, no more are kept');
    expect(() => settings.add('one more', 1)).toThrow(SettingError);
    settings.set('key1', 'changed');
  });
});

describe('the size of a setting', () => {
  const TOO_LONG = { success: false, error: 'a setting may have 4096 bytes at most, key and value together' };
  // Both are counted with their quotation marks.
  const most = (key: string) => 'x'.repeat(4096 - 4 - Buffer.byteLength(key));

  test('is at most 4096 bytes, key and value together, in UTF-8', async () => {
    const { send } = start();
    for (const key of ['k', 'é'.repeat(200)]) {
      expect(await send({ action: 'set', key, value: most(key) })).toMatchObject({ success: true });
      expect(await send({ action: 'set', key, value: `${most(key)}x` })).toEqual(TOO_LONG);
      expect(await send({ action: 'get', key })).toMatchObject({ value: most(key) });
    }
    expect(await send({ action: 'set', key: 'k', value: { a: ['é'.repeat(2048)] } })).toEqual(TOO_LONG);
    expect(await send({ action: 'set', key: 'logLevel', value: most('') })).toEqual(TOO_LONG);
  });

  test('counts all items of a list', async () => {
    const { send } = start();
    expect(await send({ action: 'add', key: 'k', item: 'x'.repeat(2000) })).toMatchObject({ added: true });
    expect(await send({ action: 'add', key: 'k', item: 'y'.repeat(2100) })).toEqual(TOO_LONG);
    expect(await send({ action: 'add', key: 'k', item: 'y'.repeat(2000) })).toMatchObject({ added: true });
    expect(await send({ action: 'remove', key: 'k', item: 'x'.repeat(2000) })).toMatchObject({ removed: true });
    expect(await send({ action: 'get', key: 'k' })).toMatchObject({ value: ['y'.repeat(2000)] });
  });
});

describe('requests', () => {
  test.each([
    [null],
    [5],
    ['status'],
    [[]],
    [{}],
    [{ action: 'toString' }],
    [{ action: 'fs-explode' }],
    [{ action: 1 }],
  ])('%p is an unknown action', async (request) => {
    expect(await start().send(request)).toEqual({ success: false, error: 'Unknown action' });
  });

  test('an unforeseen error is not an answer', async () => {
    await expect(start().send({ action: 'status' })).rejects.toThrow('not part of this test');
  });

  test('a refused reload answers with the reason', async () => {
    expect(await start().send({ action: 'reload' })).toEqual({ success: true, message: 'reloaded' });
    const reload = () => {
      throw new Refused('accounts.toml:3: nonsense');
    };
    expect(await start({ reload }).send({ action: 'reload' })).toEqual({
      success: false,
      error: 'accounts.toml:3: nonsense',
    });
  });
});

describe('an act of an operator', () => {
  const ROOT = { uid: 0, pid: 4711 };
  const acts = (logger: RecordingLogger) => logger.lines.map(({ level, fields }) => ({ level, ...defined(fields) }));
  const defined = (fields: object) => JSON.parse(JSON.stringify(fields));

  test('is logged at info with who, what and how it ended', async () => {
    const { send, logger } = start();
    await send({ action: 'fs-drain', server: '10.0.0.1' }, ROOT);
    await send({ action: 'fs-undrain', server: 'fs1' }, { source: '192.0.2.7' });
    await send({ action: 'set', key: 'logLevel', value: 'debug' }, { uid: 54_321 });
    expect(acts(logger)).toEqual([
      { level: 'info', act: 'fs-drain', server: '10.0.0.1', uid: 0, user: 'root', peerPid: 4711, result: 'done' },
      {
        level: 'info',
        act: 'fs-undrain',
        server: 'fs1',
        source: '192.0.2.7',
        result: 'refused',
        why: 'Invalid IP address: fs1',
      },
      { level: 'info', act: 'set', key: 'logLevel', value: 'debug', uid: 54_321, result: 'done' },
    ]);
  });

  test.each([
    [{ action: 'fs-drain', server: '10.0.0.1' }],
    [{ action: 'fs-undrain', server: '10.0.0.1' }],
    [{ action: 'set', key: 'logLevel', value: 'debug' }],
    [{ action: 'add', key: 'list', item: 'x' }],
    [{ action: 'remove', key: 'list', item: 'x' }],
    [{ action: 'trunk-refresh' }],
    [{ action: 'ban-clear', ip: '192.0.2.1' }],
    [{ action: 'reg-remove', aor: 'john@example.com' }],
    [{ action: 'reload' }],
  ])('%p is logged', async (request) => {
    const remove = async (aor: string) => ({ aor, removed: [], remaining: 0 });
    const { send, logger } = start({ registrations: { ...NO_REGISTRATIONS, remove } });
    await send(request, ROOT);
    expect(acts(logger)).toEqual([expect.objectContaining({ act: request.action, uid: 0 })]);
  });

  test.each([
    [{ action: 'fs-list' }],
    [{ action: 'get', key: 'logLevel' }],
    [{ action: 'list' }],
    [{ action: 'config' }],
    [{ action: 'bogus' }],
    ['reload'],
    [null],
  ])('%p is none', async (request) => {
    const { send, logger } = start();
    await send(request, ROOT);
    expect(logger.lines).toEqual([]);
  });

  test('a value without an effect is not logged, for it may be a secret; a long text is cut', async () => {
    const { send, logger } = start();
    await send({ action: 'set', key: 'password', value: secret('the value of a setting', 'correct horse') }, ROOT);
    await send({ action: 'fs-drain', server: 'x'.repeat(60_000) }, ROOT);
    expect(JSON.stringify(logger.lines).length).toBeLessThan(2000);
  });

  test('that fails by a fault of ours is logged too', async () => {
    const { send, logger } = start({
      reload: () => {
        throw new TypeError('a fault');
      },
    });
    await expect(send({ action: 'reload' }, ROOT)).rejects.toThrow('a fault');
    expect(acts(logger)).toEqual([
      expect.objectContaining({ act: 'reload', result: 'refused', why: 'internal error' }),
    ]);
  });
});
