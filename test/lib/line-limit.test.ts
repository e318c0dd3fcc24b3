import { expect, test } from 'bun:test';
import { LineLimit } from '../../src/lib/line-limit.ts';
import { ManualTimers } from '../support/timers.ts';

test('lines of each kind are limited per second, and the rest are counted at its end', () => {
  const timers = new ManualTimers();
  const reports: [string, number][] = [];
  const limit = new LineLimit(2, timers, (kind, further) => reports.push([kind, further]));
  expect(['a', 'a', 'a', 'b', 'a'].map((kind) => limit.allows(kind))).toEqual([true, true, false, true, false]);
  timers.advance(999);
  expect(reports).toEqual([]);
  timers.advance(1);
  expect(reports).toEqual([['a', 2]]);
  expect(timers.pending).toBe(0);
  expect(limit.allows('a')).toBe(true);
});
