import { describe, expect, test } from 'bun:test';
import { CachedDirectory } from '../../../src/adapters/cached/directory.ts';
import type { Account, Client, Directory } from '../../../src/ports/directory.ts';
import { QueryFault, Unavailable } from '../../../src/ports/errors.ts';
import { RecordingLogger } from '../../support/logger.ts';
import { ManualTimers } from '../../support/timers.ts';

const GRANT = { allowDirectAppCalling: 1, allowDirectQueueCalling: 1, allowDirectUserCalling: 1 };

/** A cached directory over a database that a test can switch off. */
function start() {
  const clock = new ManualTimers();
  const logger = new RecordingLogger();
  const database = {
    down: false,
    asked: 0,
    fault: undefined as Error | undefined,
    /** Answers wait for this. */
    answering: Promise.resolve(),
    account: { sid: 's', realm: 'a.com', isActive: true, deviceToCallRatio: 5 } as Account | undefined,
    limit: 7,
    client: { username: 'alice', isActive: true, grant: GRANT } as Client | undefined,
  };
  const look = async <T>(row: T) => {
    database.asked++;
    await database.answering;
    if (database.fault) throw database.fault;
    if (database.down) throw new Unavailable('MySQL', 'gone');
    return row;
  };
  const directory: Directory = {
    accountByRealm: () => look(database.account),
    client: () => look(database.client),
    deviceLimit: () => look(database.limit),
  };
  const cached = new CachedDirectory(directory, { refreshMs: 30_000, staleMs: 3_600_000 }, clock, logger);
  return { clock, logger, database, cached };
}

describe('the cached directory', () => {
  test('reads a row again when it is no longer current', async () => {
    const { clock, database, cached } = start();
    await cached.accountByRealm('a.com');
    clock.advance(29_999);
    await cached.accountByRealm('a.com');
    expect(database.asked).toBe(1);
    clock.advance(1);
    await cached.accountByRealm('a.com');
    expect(database.asked).toBe(2);
  });

  test('remembers an unknown name for five seconds', async () => {
    const { clock, database, cached } = start();
    database.account = undefined;
    for (let i = 0; i < 3; i++) expect(await cached.accountByRealm('a.com')).toBeUndefined();
    expect(database.asked).toBe(1);
    clock.advance(5000);
    database.account = { sid: 'new', realm: 'a.com', isActive: true, deviceToCallRatio: 5 };
    expect(await cached.accountByRealm('a.com')).toMatchObject({ sid: 'new' });
  });

  test('serves rows while the database is down, until they are too old', async () => {
    const { clock, database, cached } = start();
    await cached.accountByRealm('a.com');
    database.down = true;
    clock.advance(3_599_999);
    expect(await cached.accountByRealm('a.com')).toMatchObject({ sid: 's' });
    clock.advance(1001);
    await expect(cached.accountByRealm('a.com')).rejects.toThrow(Unavailable);
    await expect(cached.accountByRealm('b.com')).rejects.toThrow(Unavailable);
  });

  test('serves what the database says after an outage at once', async () => {
    const { clock, database, cached } = start();
    await cached.accountByRealm('a.com');
    database.down = true;
    clock.advance(60_000);
    expect(await cached.accountByRealm('a.com')).toMatchObject({ isActive: true });
    database.down = false;
    database.account = { sid: 's', realm: 'a.com', isActive: false, deviceToCallRatio: 5 };
    clock.advance(1000);
    expect(await cached.accountByRealm('a.com')).toMatchObject({ isActive: false });
    database.account = undefined;
    clock.advance(30_000);
    expect(await cached.accountByRealm('a.com')).toBeUndefined();
  });

  test('reads everything again after clear()', async () => {
    const { database, cached } = start();
    await cached.accountByRealm('a.com');
    cached.clear();
    await cached.accountByRealm('a.com');
    expect(database.asked).toBe(2);
  });

  test('asks once for all concurrent callers', async () => {
    const { database, cached } = start();
    const callers = Array.from({ length: 50 }, () => cached.accountByRealm('a.com'));
    for (const account of await Promise.all(callers)) expect(account).toMatchObject({ sid: 's' });
    expect(database.asked).toBe(1);
  });

  test('throws an error that is no outage, though a row is at hand', async () => {
    const { clock, database, cached, logger } = start();
    await cached.accountByRealm('a.com');
    clock.advance(30_000);
    const fault = new TypeError('unforeseen');
    database.fault = fault;
    await expect(cached.accountByRealm('a.com')).rejects.toBe(fault);
    database.fault = undefined;
    expect(await cached.accountByRealm('a.com')).toMatchObject({ sid: 's' });
    expect(logger.lines).toEqual([]);
  });

  test('a query under way at clear() brings no old row back', async () => {
    const { database, cached } = start();
    const gate = Promise.withResolvers<void>();
    database.answering = gate.promise;
    const early = cached.accountByRealm('a.com');
    database.account = { sid: 'new', realm: 'a.com', isActive: true, deviceToCallRatio: 5 };
    cached.clear();
    const late = cached.accountByRealm('a.com');
    gate.resolve();
    expect(await early).toMatchObject({ sid: 's' });
    expect(await late).toMatchObject({ sid: 'new' });
    expect(await cached.accountByRealm('a.com')).toMatchObject({ sid: 'new' });
  });

  test('a query that is refused is no outage for others, and is logged once', async () => {
    const { clock, database, cached, logger } = start();
    const fault = new QueryFault('MySQL', 'unknown column', 'ER_BAD_FIELD_ERROR');
    for (let i = 0; i < 3; i++) {
      database.fault = fault;
      await expect(cached.accountByRealm(`bad${i}.com`)).rejects.toBe(fault);
      database.fault = undefined;
      expect(await cached.accountByRealm(`good${i}.com`)).toMatchObject({ sid: 's' });
      clock.advance(1000);
    }
    expect(logger.lines).toMatchObject([{ level: 'error', fields: { why: fault.message } }]);
  });

  test('a row at hand serves on while its query is refused', async () => {
    const { clock, database, cached } = start();
    await cached.accountByRealm('a.com');
    clock.advance(30_000);
    database.fault = new QueryFault('MySQL', 'unknown column', 'ER_BAD_FIELD_ERROR');
    expect(await cached.accountByRealm('a.com')).toMatchObject({ sid: 's' });
  });

  test('a client that was deleted stays unknown when the database goes away afterwards', async () => {
    const { clock, database, cached } = start();
    expect(await cached.client('s', 'alice')).toBeDefined();
    database.client = undefined;
    clock.advance(30_000);
    expect(await cached.client('s', 'alice')).toBeUndefined();
    database.down = true;
    clock.advance(5000);
    await expect(cached.client('s', 'alice')).rejects.toThrow(Unavailable);
  });

  test('an unknown client that was created is found after clear()', async () => {
    const { database, cached } = start();
    const created = database.client;
    database.client = undefined;
    expect(await cached.client('s', 'alice')).toBeUndefined();
    database.client = created;
    expect(await cached.client('s', 'alice')).toBeUndefined();
    cached.clear();
    expect(await cached.client('s', 'alice')).toBe(created);
  });

  test('a device limit that was raised counts after clear()', async () => {
    const { database, cached } = start();
    const account = { sid: 's', realm: 'a.com', isActive: true, deviceToCallRatio: 5 };
    expect(await cached.deviceLimit(account)).toBe(7);
    database.limit = 8;
    expect(await cached.deviceLimit(account)).toBe(7);
    cached.clear();
    expect(await cached.deviceLimit(account)).toBe(8);
  });

  test('made-up sub-domains evict no realm that a user has authenticated for', async () => {
    const { database, cached } = start();
    await cached.accountByRealm('a.com');
    await cached.accountByRealm('home.a.com');
    cached.authenticated('home.a.com');
    for (let i = 0; i < 120_000; i++) await cached.accountByRealm(`d${i}.a.com`);
    const { asked } = database;
    await cached.accountByRealm('a.com');
    await cached.accountByRealm('home.a.com');
    expect(database.asked).toBe(asked);
    await cached.accountByRealm('d0.a.com');
    expect(database.asked).toBe(asked + 1);
  });
});
