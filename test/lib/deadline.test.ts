import { expect, test } from 'bun:test';
import { withDeadline } from '../../src/lib/deadline.ts';
import { ManualTimers } from '../support/timers.ts';

const late = () => new Error('too late');

test('work that ends in time settles as it would alone, and leaves no timer', async () => {
  const timers = new ManualTimers();
  expect(await withDeadline(Promise.resolve(7), 1000, late, timers)).toBe(7);
  const failure = new Error('gone away');
  await expect(withDeadline(Promise.reject(failure), 1000, late, timers)).rejects.toBe(failure);
  expect(timers.pending).toBe(0);
});

test('work that does not end is given up at the deadline', async () => {
  const timers = new ManualTimers();
  let failure: unknown;
  const given = withDeadline(new Promise(() => {}), 1000, late, timers).catch((error: unknown) => {
    failure = error;
  });
  await timers.advanceAsync(999);
  expect(failure).toBeUndefined();
  await timers.advanceAsync(1);
  await given;
  expect(failure).toEqual(new Error('too late'));
});

test('work that fails after the deadline does no harm', async () => {
  const timers = new ManualTimers();
  const work = Promise.withResolvers<void>();
  const given = withDeadline(work.promise, 1000, late, timers);
  timers.advance(1000);
  await expect(given).rejects.toThrow('too late');
  // A rejection without a handler would fail this test.
  work.reject(new Error('later still'));
  await timers.advanceAsync(0);
});
