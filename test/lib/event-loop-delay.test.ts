import { expect, test } from 'bun:test';
import { EventLoopDelay } from '../../src/lib/event-loop-delay.ts';
import type { Timers } from '../../src/lib/timers.ts';
import { ManualTimers } from '../support/timers.ts';

test('the delay of the event loop is the lateness of a timer, ten times a second', () => {
  const manual = new ManualTimers();
  let lateMs = 0;
  const timers: Timers = {
    now: () => manual.now(),
    monotonic: () => manual.monotonic(),
    after: (ms, callback) => manual.after(ms + lateMs, callback),
  };
  const measured: number[] = [];
  const delay = new EventLoopDelay(timers, (ms) => measured.push(ms));
  delay.start();
  manual.advance(200);
  expect(measured).toEqual([0, 0]);
  lateMs = 250;
  manual.advance(100 + 350);
  expect(measured).toEqual([0, 0, 0, 250]);
  delay.stop();
  manual.advance(1000);
  expect(measured).toHaveLength(4);
  expect(manual.pending).toBe(0);
});
