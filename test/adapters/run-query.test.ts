import { expect, test } from 'bun:test';
import { runQuery } from '../../src/adapters/sql/run-query.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import { ManualTimers } from '../support/timers.ts';

test('returns the result of a query', async () => {
  expect(await runQuery('MySQL', Promise.resolve(7), 1000)).toBe(7);
});

test('a query that fails or takes too long is Unavailable, with the reason', async () => {
  const failed = runQuery('MySQL', Promise.reject(new Error('gone away')), 1000);
  await expect(failed).rejects.toThrow(new Unavailable('MySQL', 'gone away'));
  const timers = new ManualTimers();
  const late = runQuery('MySQL', new Promise(() => {}), 1000, timers);
  timers.advance(1000);
  await expect(late).rejects.toThrow(new Unavailable('MySQL', 'no answer in time'));
});
