import { expect, test } from 'bun:test';
import { answer } from '../../src/adapters/sql/answer.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import { ManualTimers } from '../support/timers.ts';

test('a query that answers is passed on', async () => {
  expect(await answer('MySQL', Promise.resolve(7), 1000)).toBe(7);
});

test('one that fails, or has no answer in time, is Unavailable and says why', async () => {
  const failed = answer('MySQL', Promise.reject(new Error('gone away')), 1000);
  await expect(failed).rejects.toThrow(new Unavailable('MySQL', 'gone away'));
  const timers = new ManualTimers();
  const late = answer('MySQL', new Promise(() => {}), 1000, timers);
  timers.advance(1000);
  await expect(late).rejects.toThrow(new Unavailable('MySQL', 'no answer in time'));
});
