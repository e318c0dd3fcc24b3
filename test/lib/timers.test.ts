import { describe, expect, test } from 'bun:test';
import { SystemTimers, sleep } from '../../src/lib/timers.ts';
import { ManualTimers } from '../support/timers.ts';

describe('system timers', () => {
  test('wait no shorter than asked, also in several parts', async () => {
    for (const max of [2 ** 31 - 1, 7]) {
      const timers = new SystemTimers(max);
      const start = timers.monotonic();
      await new Promise<void>((resolve) => timers.after(30, resolve));
      // A timeout may come a fraction of a millisecond early, each part of it.
      expect(timers.monotonic() - start).toBeGreaterThanOrEqual(25);
    }
  });

  test('take what setTimeout cannot wait for not as "at once"', async () => {
    const timers = new SystemTimers();
    let early = false;
    const waiting = [2 ** 31, 2 ** 32 * 1000, Number.POSITIVE_INFINITY].map((ms) =>
      timers.after(ms, () => {
        early = true;
      }),
    );
    await new Promise<void>((resolve) => timers.after(20, resolve));
    for (const timer of waiting) timer.cancel();
    expect(early).toBe(false);
  });

  test('do not call back once cancelled, in whichever part', async () => {
    const timers = new SystemTimers(5);
    let called = false;
    const timer = timers.after(20, () => {
      called = true;
    });
    await new Promise<void>((resolve) => timers.after(12, resolve));
    timer.cancel();
    await new Promise<void>((resolve) => timers.after(20, resolve));
    expect(called).toBe(false);
  });
});

describe('manual timers', () => {
  test('call back in the order of their times, at their times', () => {
    const timers = new ManualTimers();
    const start = timers.now();
    const calls: [string, number][] = [];
    const at = (name: string, ms: number) => timers.after(ms, () => calls.push([name, timers.now() - start]));
    at('c', 30);
    at('a', 10);
    at('b', 10);
    at('x', 20).cancel();
    timers.after(15, () => at('d', 10));
    timers.advance(29);
    expect(calls).toEqual([
      ['a', 10],
      ['b', 10],
      ['d', 25],
    ]);
    timers.advance(1);
    expect(calls.at(-1)).toEqual(['c', 30]);
    expect(timers.pending).toBe(0);
  });
});

describe('sleep', () => {
  test('ends after its time', async () => {
    const timers = new ManualTimers();
    let over = false;
    const slept = sleep(1000, timers).then(() => {
      over = true;
    });
    await timers.advanceAsync(999);
    expect(over).toBe(false);
    await timers.advanceAsync(1);
    await slept;
  });

  test('ends at the signal, and does not begin after it', async () => {
    const timers = new ManualTimers();
    const controller = new AbortController();
    const slept = sleep(1000, timers, controller.signal);
    controller.abort();
    await slept;
    await sleep(1000, timers, controller.signal);
    expect(timers.pending).toBe(0);
  });
});
