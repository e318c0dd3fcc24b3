import { Database } from 'bun:sqlite';
import { describe, expect, test } from 'bun:test';
import { SqliteLease } from '../../src/adapters/sqlite/lease.ts';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { SqliteServerPool } from '../../src/adapters/sqlite/server-pool.ts';
import { type AdminRules, perform, Refused } from '../../src/admin/actions.ts';
import { SettingError, Settings } from '../../src/admin/settings.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import type { ServerPool } from '../../src/ports/server-pool.ts';
import { outboundView } from '../../src/sidecar/operator-view.ts';
import { ManualClock } from '../support/clock.ts';

function start(changes: Partial<AdminRules> = {}) {
  const clock = new ManualClock();
  const database = new Database(':memory:', { strict: true });
  database.run(SCHEMA);
  const pool = new SqliteServerPool(database, clock);
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
  const rules: AdminRules = {
    ...{ pool, settings, silentMs: 60_000, now: () => clock.now() },
    outbound: outboundView(() => undefined, new SqliteLease(database, 'test', clock), clock),
    reload: () => 'reloaded',
    status: () => Promise.reject(new Error('not asked for here')),
    ...changes,
  };
  const ask = (request: unknown) => perform(rules, request);
  const checkIn = (member: string, calls: number) => pool.checkIn({ kind: 'feature', member, open: true, calls });
  return { ask, checkIn, clock, pool, level: () => level };
}

describe('feature servers', () => {
  test('drain and undrain say what is drained now', async () => {
    const { ask, checkIn } = start();
    await checkIn('10.0.0.1:5060', 3);
    expect(await ask({ action: 'fs-drain', server: '10.0.0.1:5060' })).toEqual({
      ...{ success: true, action: 'drain', server: '10.0.0.1' },
      drained: ['10.0.0.1'],
    });
    expect(await ask({ action: 'fs-available' })).toEqual({ success: true, available: [] });
    expect(await ask({ action: 'fs-drained' })).toEqual({ success: true, drained: ['10.0.0.1'] });
    expect(await ask({ action: 'fs-undrain', server: '10.0.0.1' })).toMatchObject({ action: 'undrain', drained: [] });
    expect(await ask({ action: 'fs-available' })).toEqual({ success: true, available: ['10.0.0.1:5060'] });
  });

  test('the list has active, drained and orphaned ones', async () => {
    const { ask, checkIn, clock } = start();
    await checkIn('10.0.0.1:5060', 3);
    await checkIn('10.0.0.2:5060', 0);
    await ask({ action: 'fs-drain', server: '10.0.0.2' });
    await ask({ action: 'fs-drain', server: '[2001:DB8::9]' });
    const now = clock.now();
    expect(await ask({ action: 'fs-list' })).toEqual({
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

  test.each([
    ['fs1', 'Invalid IP address: fs1'],
    ['10.0.0.256', 'Invalid IP address: 10.0.0.256'],
    ['', 'Invalid IP address: '],
    [undefined, 'Invalid IP address: '],
    [{ ip: 1 }, 'Invalid IP address: '],
  ])('%p is no server', async (server, error) => {
    const { ask, pool } = start();
    expect(await ask({ action: 'fs-drain', server })).toEqual({ success: false, error });
    expect(await ask({ action: 'fs-undrain', server })).toEqual({ success: false, error });
    expect((await pool.featureServers()).drained).toEqual([]);
  });

  test('a store that is away is said', async () => {
    const away = { drain: () => Promise.reject(new Unavailable('Redis', 'gone')) } as Partial<ServerPool> as ServerPool;
    const { ask } = start({ pool: away });
    expect(await ask({ action: 'fs-drain', server: '10.0.0.1' })).toEqual({ success: false, error: 'Redis: gone' });
  });
});

describe('the outbound side, while this sidecar does not lead', () => {
  test('has nothing to show', async () => {
    const { ask, clock } = start();
    const nobody = { success: true, leading: false, holder: null, now: clock.now() };
    expect(await ask({ action: 'trunk-list' })).toEqual({ ...nobody, trunks: [], skipped: [] });
    expect(await ask({ action: 'gateway-list' })).toEqual({ ...nobody, gateways: [] });
  });

  test.each([[{ action: 'trunk-show', gateway: 'x' }], [{ action: 'trunk-refresh' }]])(
    '%p says why',
    async (request) => {
      const error = 'no sidecar registers at carriers now';
      expect(await start().ask(request)).toEqual({ success: false, error });
    },
  );
});

describe('settings', () => {
  test('known ones take effect, unknown ones are stored and marked', async () => {
    const { ask, level } = start();
    expect(await ask({ action: 'set', key: 'logLevel', value: 'debug' })).toEqual({
      ...{ success: true, key: 'logLevel', value: 'debug', effect: true },
    });
    expect(level()).toBe('debug');
    expect(await ask({ action: 'set', key: 'logLevel', value: 'loud' })).toEqual({
      ...{ success: false, error: 'logLevel must be debug' },
    });
    expect(await ask({ action: 'set', key: 'colour', value: 'blue' })).toMatchObject({ success: true, effect: false });
    expect(await ask({ action: 'get', key: 'colour' })).toEqual({ success: true, key: 'colour', value: 'blue' });
    expect(await ask({ action: 'get', key: 'logLevel' })).toMatchObject({ value: 'debug' });
    expect(await ask({ action: 'list' })).toEqual({ success: true, config: { logLevel: 'debug', colour: 'blue' } });
  });

  test('lists grow and shrink', async () => {
    const { ask } = start();
    await ask({ action: 'set', key: 'friends', value: 'a, b' });
    expect(await ask({ action: 'add', key: 'friends', item: 'c' })).toMatchObject({
      ...{ array: ['a', 'b', 'c'], added: true },
    });
    expect(await ask({ action: 'add', key: 'friends', item: 'c' })).toMatchObject({ added: false });
    expect(await ask({ action: 'remove', key: 'friends', item: 'a' })).toMatchObject({
      ...{ array: ['b', 'c'], removed: true },
    });
    expect(await ask({ action: 'remove', key: 'friends', item: 'a' })).toMatchObject({ removed: false });
    expect(await ask({ action: 'get', key: 'friends' })).toMatchObject({ value: ['b', 'c'] });
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
    const { ask } = start();
    expect(await ask(request)).toEqual({ success: false, error });
    expect(await ask({ action: 'list' })).toMatchObject({ config: { logLevel: 'info' } });
  });

  test('names of object members are keys like others', async () => {
    const { ask } = start();
    expect(await ask({ action: 'get', key: 'constructor' })).toEqual({ success: true, key: 'constructor' });
    expect(await ask({ action: 'set', key: '__proto__', value: 1 })).toMatchObject({ effect: false });
    expect(await ask({ action: 'get', key: '__proto__' })).toMatchObject({ value: 1 });
  });

  test('they are bounded', async () => {
    const settings = new Settings({});
    for (let i = 0; i < 1000; i++) settings.set(`key${i}`, i);
    expect(() => settings.set('one more', 1)).toThrow(SettingError);
    settings.set('key1', 'changed');
    for (let i = 1; i < 1000; i++) settings.add('key1', i);
    expect(() => settings.add('key1', 'one more')).toThrow(SettingError);
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
    expect(await start().ask(request)).toEqual({ success: false, error: 'Unknown action' });
  });

  test('a reload that cannot be done says why', async () => {
    expect(await start().ask({ action: 'reload' })).toEqual({ success: true, message: 'reloaded' });
    const reload = () => {
      throw new Refused('accounts.toml:3: nonsense');
    };
    expect(await start({ reload }).ask({ action: 'reload' })).toEqual({
      ...{ success: false, error: 'accounts.toml:3: nonsense' },
    });
  });
});
