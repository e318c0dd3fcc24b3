import { Database } from 'bun:sqlite';
import { describe, expect, test } from 'bun:test';
import { runQuery } from '../../src/adapters/sql/run-query.ts';
import { kyselyOver } from '../../src/adapters/sql/sqlite.ts';
import { QueryFault, Unavailable } from '../../src/ports/errors.ts';
import { MYSQL_ERRORS, mysqlError } from '../support/faults.ts';
import { sqlServer } from '../support/sql-server.ts';
import { ManualTimers } from '../support/timers.ts';

const server = sqlServer(kyselyOver(new Database(':memory:')), 'MySQL');

test('returns the result of a query', async () => {
  expect(await runQuery(server, () => Promise.resolve(7), 1000)).toBe(7);
});

test('a query that fails or takes too long is Unavailable, with the reason', async () => {
  const failed = runQuery(server, () => Promise.reject(new Error('gone away')), 1000);
  await expect(failed).rejects.toThrow(new Unavailable('MySQL', 'gone away'));
  const timers = new ManualTimers();
  const late = runQuery(server, () => new Promise(() => {}), 1000, timers);
  timers.advance(1000);
  await expect(late).rejects.toThrow(new Unavailable('MySQL', 'no answer in time'));
});

describe('an error of MySQL', () => {
  test.each(MYSQL_ERRORS)('fails a query as $outcome when it is $code', async (fault) => {
    const error = await runQuery(server, () => Promise.reject(mysqlError(fault)), 1000).catch((e: unknown) => e);
    const seen = error instanceof QueryFault ? error.code : error instanceof Unavailable && 'Unavailable';
    expect(seen).toBe(fault.outcome);
  });
});

test.each([
  ['SQLITE_ERROR', 'SQLITE_ERROR'],
  ['SQLITE_CONSTRAINT_PRIMARYKEY', 'SQLITE_CONSTRAINT_PRIMARYKEY'],
  ['SQLITE_FULL', 'SQLITE_FULL'],
  ['SQLITE_READONLY', 'SQLITE_READONLY'],
  ['SQLITE_CORRUPT', 'Unavailable'],
  ['SQLITE_IOERR_WRITE', 'Unavailable'],
  ['SQLITE_BUSY', 'Unavailable'],
])('an error %s of SQLite fails a query as %s', async (code, outcome) => {
  const failed = Promise.reject(Object.assign(new Error('from SQLite'), { name: 'SQLiteError', code }));
  const error = await runQuery(server, () => failed, 1000).catch((e: unknown) => e);
  expect(error instanceof QueryFault ? error.code : error instanceof Unavailable && 'Unavailable').toBe(outcome);
});

test('a fault of our own code stays what it is', async () => {
  const fault = new TypeError('not a function');
  await expect(runQuery(server, () => Promise.reject(fault), 1000)).rejects.toBe(fault);
});
