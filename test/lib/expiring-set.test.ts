import { expect, test } from 'bun:test';
import { ExpiringSet } from '../../src/lib/expiring-set.ts';
import { ManualTimers } from '../support/timers.ts';

test('a key is in the set for its time, and for as long again when it is added again', () => {
  const timers = new ManualTimers();
  const set = new ExpiringSet(10, 1000, timers);
  expect(set.has('a')).toBe(false);
  set.add('a');
  timers.advance(999);
  expect(set.has('a')).toBe(true);
  set.add('a');
  timers.advance(999);
  expect(set.has('a')).toBe(true);
  timers.advance(1);
  expect(set.has('a')).toBe(false);
});

test('a deleted key is not in the set', () => {
  const set = new ExpiringSet(10, 1000, new ManualTimers());
  set.add('a');
  set.delete('a');
  expect(set.has('a')).toBe(false);
});

test('beyond its size the key used longest ago is dropped', () => {
  const set = new ExpiringSet(2, 1000, new ManualTimers());
  set.add('a');
  set.add('b');
  expect(set.has('a')).toBe(true);
  set.add('c');
  expect(['a', 'b', 'c'].filter((key) => set.has(key))).toEqual(['a', 'c']);
});
