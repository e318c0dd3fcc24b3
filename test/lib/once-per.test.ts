import { expect, test } from 'bun:test';
import { OncePer } from '../../src/lib/once-per.ts';
import { ManualTimers } from '../support/timers.ts';

test('each key is due once per interval, counted from when it was due', () => {
  const clock = new ManualTimers();
  const warnings = new OncePer(60_000, clock);
  expect(warnings.isDue('192.0.2.1')).toBe(true);
  expect(warnings.isDue('192.0.2.2')).toBe(true);
  clock.advance(59_999);
  expect(warnings.isDue('192.0.2.1')).toBe(false);
  clock.advance(1);
  expect(warnings.isDue('192.0.2.1')).toBe(true);
  expect(warnings.isDue('192.0.2.1')).toBe(false);
});

test('no more than so many keys are due in an interval', () => {
  const clock = new ManualTimers();
  const warnings = new OncePer(60_000, clock, 2);
  const due = (...keys: string[]) => keys.filter((key) => warnings.isDue(key));
  expect(due('a', 'b', 'c', 'd')).toEqual(['a', 'b']);
  clock.advance(59_999);
  expect(due('c')).toEqual([]);
  clock.advance(1);
  expect(due('c', 'a', 'b')).toEqual(['c', 'a']);
});
