import { describe, expect, test } from 'bun:test';
import { CachedDirectory } from '../../../src/adapters/cached/directory.ts';
import type { Account, Directory } from '../../../src/ports/directory.ts';
import { Unavailable } from '../../../src/ports/errors.ts';
import { ManualClock } from '../../support/clock.ts';
import { RecordingLogger } from '../../support/logger.ts';

/** A directory whose database can be switched off: the fault that the cache is there for. */
function start() {
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const database = {
    down: false,
    asked: 0,
    account: { sid: 's', isActive: true, deviceToCallRatio: 5 } as Account | undefined,
  };
  const look = async () => {
    database.asked++;
    if (database.down) throw new Unavailable('MySQL', 'gone');
    return database.account;
  };
  const directory: Directory = { accountByRealm: look, client: async () => undefined, deviceLimit: async () => 7 };
  const cached = new CachedDirectory(directory, { refreshMs: 30_000, staleMs: 3_600_000 }, clock, logger);
  return { clock, logger, database, cached };
}

describe('the cached directory', () => {
  test('asks again only when a row is no longer current', async () => {
    const { clock, database, cached } = start();
    await cached.accountByRealm('a.com');
    clock.advance(29_999);
    await cached.accountByRealm('a.com');
    expect(database.asked).toBe(1);
    clock.advance(1);
    await cached.accountByRealm('a.com');
    expect(database.asked).toBe(2);
  });

  test('remembers unknown names for a short while', async () => {
    const { clock, database, cached } = start();
    database.account = undefined;
    for (let i = 0; i < 3; i++) expect(await cached.accountByRealm('a.com')).toBeUndefined();
    expect(database.asked).toBe(1);
    clock.advance(5000);
    database.account = { sid: 'new', isActive: true, deviceToCallRatio: 5 };
    expect(await cached.accountByRealm('a.com')).toMatchObject({ sid: 'new' });
  });

  test('serves on while the database is down, for as long as rows may be stale', async () => {
    const { clock, database, cached, logger } = start();
    await cached.accountByRealm('a.com');
    database.down = true;
    clock.advance(3_599_999);
    expect(await cached.accountByRealm('a.com')).toMatchObject({ sid: 's' });
    clock.advance(1001);
    expect(cached.accountByRealm('a.com')).rejects.toThrow(Unavailable);
    expect(cached.accountByRealm('b.com')).rejects.toThrow(Unavailable);
    expect(logger.lines.filter((l) => l.level === 'warn')).toHaveLength(1);
  });

  test('leaves a database that is down alone for a second', async () => {
    const { clock, database, cached } = start();
    database.down = true;
    for (let i = 0; i < 5; i++) await cached.accountByRealm('a.com').catch(() => {});
    expect(database.asked).toBe(1);
    clock.advance(1000);
    await cached.accountByRealm('a.com').catch(() => {});
    expect(database.asked).toBe(2);
  });

  test('believes what the database says after an outage at once', async () => {
    const { clock, database, cached } = start();
    await cached.accountByRealm('a.com');
    database.down = true;
    clock.advance(60_000);
    expect(await cached.accountByRealm('a.com')).toMatchObject({ isActive: true });
    database.down = false;
    database.account = { sid: 's', isActive: false, deviceToCallRatio: 5 };
    clock.advance(1000);
    expect(await cached.accountByRealm('a.com')).toMatchObject({ isActive: false });
    database.account = undefined;
    clock.advance(30_000);
    expect(await cached.accountByRealm('a.com')).toBeUndefined();
  });

  test('forgets all when it is told to', async () => {
    const { database, cached } = start();
    await cached.accountByRealm('a.com');
    cached.clear();
    await cached.accountByRealm('a.com');
    expect(database.asked).toBe(2);
  });
});
