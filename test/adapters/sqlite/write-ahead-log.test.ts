import { Database } from 'bun:sqlite';
import { expect, test } from 'bun:test';
import { type DatabaseFiles, openFiles, SyncFault } from '../../../src/adapters/sqlite/database-files.ts';
import { openSqlite } from '../../../src/adapters/sqlite/open.ts';
import { recordStart } from '../../../src/adapters/sqlite/settings.ts';
import { WriteAheadLog } from '../../../src/adapters/sqlite/write-ahead-log.ts';
import { temporaryDirectory } from '../../support/cleanup.ts';
import { RecordingLogger } from '../../support/logger.ts';

const LIMITS = { copyBytes: 50_000, resetBytes: 100_000 };

function start(change: (files: DatabaseFiles) => Partial<DatabaseFiles> = () => ({})) {
  const database = openSqlite(temporaryDirectory('log'));
  const files = openFiles(database.filename);
  const log = new WriteAheadLog(database, { ...files, ...change(files) }, new RecordingLogger(), LIMITS);
  recordStart(database);
  log.start();
  let rows = 0;
  /** Writes until the log has grown by about this many bytes. */
  const grow = (bytes: number) => {
    for (const end = files.logBytes() + bytes; files.logBytes() < end; )
      database.run('INSERT INTO drained VALUES (?)', [`${rows++}`]);
  };
  return { database, files, log, grow, rows: () => rows };
}

const count = (database: Database) =>
  database.query<{ n: number }, []>('SELECT count(*) AS n FROM drained').get()?.n ?? 0;

test('a log above its limit is emptied, and its contents are in the database file', async () => {
  const { database, files, log, grow, rows } = start();
  grow(LIMITS.resetBytes);
  await log.maintain();
  expect(files.logBytes()).toBeLessThan(LIMITS.copyBytes);
  expect(count(database)).toBe(rows());
});

test('a log that another connection reads grows, and is emptied once that has ended', async () => {
  const { database, files, log, grow, rows } = start();
  const reader = new Database(database.filename, { readonly: true });
  reader.run('BEGIN');
  expect(count(reader)).toBe(0);
  grow(LIMITS.resetBytes);
  await log.maintain();
  expect(files.logBytes()).toBeGreaterThan(LIMITS.resetBytes);
  grow(1);
  expect(count(database)).toBe(rows());
  reader.close();
  grow(LIMITS.copyBytes);
  await log.maintain();
  expect(files.logBytes()).toBeLessThan(LIMITS.copyBytes);
  expect(count(database)).toBe(rows());
});

test('a sync of the database file that fails is reported by the next call, and leaves the log as it is', async () => {
  const fault = new SyncFault('EIO');
  let syncs = 0;
  const { files, log, grow } = start((real) => ({
    // The kernel reports an error once.
    syncDatabase: () => (++syncs === 1 ? Promise.reject(fault) : real.syncDatabase()),
  }));
  grow(LIMITS.copyBytes);
  await log.maintain();
  grow(LIMITS.resetBytes);
  const bytes = files.logBytes();
  await expect(log.maintain()).rejects.toBe(fault);
  expect(files.logBytes()).toBe(bytes);
});

test('what an earlier process left in the log is in the database file before anything else is written', async () => {
  const { database, files, log, grow, rows } = start();
  grow(LIMITS.copyBytes);
  const next = new WriteAheadLog(database, files, new RecordingLogger());
  expect(files.logBytes()).toBe(0);
  expect(count(database)).toBe(rows());
  await Promise.all([log.close(), next.close()]);
});

test('closing the database empties the log', async () => {
  const { database, log, grow, rows } = start();
  grow(LIMITS.copyBytes);
  await log.maintain();
  await log.close();
  database.close();
  const again = openSqlite(database.filename.replace(/\/[^/]+$/, ''));
  expect(count(again)).toBe(rows());
  again.close();
});
