import { expect, test } from 'bun:test';
import { RecentFigures } from '../../src/ops/recent-figures.ts';
import type { RegisterResult } from '../../src/ports/metrics.ts';
import { ManualTimers } from '../support/timers.ts';

function start() {
  const timers = new ManualTimers();
  const figures = new RecentFigures(timers);
  const answer = (result: RegisterResult, ms = 1, reason = '') =>
    figures.registerAnswered({ result, reason, status: 200, isCached: false, ms });
  return { timers, figures, answer };
}

const NOTHING = { granted: 0, challenged: 0, refused: 0, p50: null, p99: null };

test('shows each second that is over, not the present one', () => {
  const { timers, figures, answer } = start();
  const at = timers.now();
  expect(figures.seconds()).toEqual([]);
  for (const result of ['registered', 'refreshed', 'unregistered', 'queried'] as const) answer(result);
  answer('challenged');
  answer('refused', 100, 'UnknownRealm');
  expect(figures.seconds()).toEqual([]);
  timers.advance(2000);
  answer('registered');
  expect(figures.seconds()).toEqual([
    { at, granted: 4, challenged: 1, refused: 1, p50: expect.closeTo(1, 0), p99: expect.closeTo(1, 0) },
    { at: at + 1000, ...NOTHING },
  ]);
  expect(figures.seconds(at)).toEqual([{ at: at + 1000, ...NOTHING }]);
});

test('five minutes are kept', () => {
  const { timers, figures, answer } = start();
  answer('refused', 1, 'UnknownRealm');
  timers.advance(299_000);
  answer('refused', 1, 'UnknownUser');
  answer('refused', 1, 'UnknownUser');
  expect(figures.refusals()).toEqual([
    { reason: 'UnknownUser', count: 2 },
    { reason: 'UnknownRealm', count: 1 },
  ]);
  timers.advance(1000);
  expect(figures.refusals()).toEqual([{ reason: 'UnknownUser', count: 2 }]);
  expect(figures.seconds()).toHaveLength(299);
  timers.advance(86_400_000);
  expect(figures.refusals()).toEqual([]);
  expect(figures.seconds().every(({ refused }) => refused === 0)).toBe(true);
});

test.each([0.01, 0.1, 0.5, 1, 3.7, 12, 100, 999, 5000, 10_000])(
  'a latency of %d ms is shown within an eighth',
  (ms) => {
    const { timers, figures, answer } = start();
    answer('registered', ms);
    timers.advance(1000);
    const [{ p50, p99 } = { p50: 0, p99: 0 }] = figures.seconds();
    expect(p50).toBe(p99);
    if (ms >= 0.1) expect(Math.abs(Number(p50) / ms - 1)).toBeLessThanOrEqual(0.13);
    else expect(p50).toBeLessThan(0.1);
  },
);

test.each([Number.NaN, -1, 0, Number.POSITIVE_INFINITY, 1e12])('a latency of %d is no error', (ms) => {
  const { timers, figures, answer } = start();
  answer('registered', ms);
  timers.advance(1000);
  expect(Number.isFinite(figures.seconds()[0]?.p50)).toBe(true);
});

test('median and 99th percentile are those of what was granted', () => {
  const { timers, figures, answer } = start();
  for (let i = 0; i < 98; i++) answer('refreshed', 1);
  for (let i = 0; i < 2; i++) answer('registered', 200);
  for (let i = 0; i < 500; i++) answer('refused', 5000, 'InvalidCredentials');
  timers.advance(1000);
  const [second] = figures.seconds();
  expect(second?.p50).toBeCloseTo(1, 0);
  expect(second?.p99).toBeGreaterThan(170);
  expect(second?.p99).toBeLessThan(230);
});

test('a clock that is set back by an hour loses nothing but that hour', () => {
  const { timers, figures, answer } = start();
  answer('registered');
  timers.skew = -3_600_000;
  answer('registered');
  timers.advance(1000);
  expect(figures.seconds()).toEqual([]);
  timers.skew = 0;
  timers.advance(1000);
  expect(figures.seconds()).toHaveLength(2);
});
