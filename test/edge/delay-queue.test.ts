import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Delay, DelayQueue } from '../../src/edge/delay-queue.ts';
import { ManualTimers } from '../support/timers.ts';

test('a queue uses one timer for all its items', () => {
  const timers = new ManualTimers();
  const expired: number[] = [];
  const queue = new DelayQueue<number>(1000, timers, (item) => expired.push(item));
  for (let i = 0; i < 500; i++) {
    queue.add(i);
    timers.advance(1);
  }
  expect(timers.pending).toBe(1);
  timers.advance(2000);
  expect(expired).toEqual(Array.from({ length: 500 }, (_, i) => i));
  expect(timers.pending).toBe(0);
});

test('an item that restarts when it expires does not delay the others', () => {
  const timers = new ManualTimers();
  const expired: [string, number][] = [];
  const delays = new Map<string, Delay<string>>();
  const queue = new DelayQueue<string>(640, timers, (item) => {
    expired.push([item, timers.monotonic()]);
    delays.get(item)?.restart();
  });
  delays.set('first', queue.add('first'));
  timers.advance(100);
  delays.set('second', queue.add('second'));
  for (let i = 0; i < 130; i++) timers.advance(10);
  expect(expired).toEqual([
    ['first', 640],
    ['second', 740],
    ['first', 1280],
    ['second', 1380],
  ]);
});

test('items that are added, cancelled and restarted expire once, in order, never early, at most a 64th of the delay late', () => {
  const step = fc.oneof(
    fc.record({ add: fc.nat(50) }),
    fc.record({ cancel: fc.nat(30) }),
    fc.record({ restart: fc.nat(30) }),
    fc.record({ pass: fc.nat(400) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const timers = new ManualTimers();
      const due = new Map<number, number>();
      const delays: Delay<number>[] = [];
      const queue = new DelayQueue<number>(640, timers, (item) => {
        const at = due.get(item) ?? Number.NaN;
        expect(timers.monotonic()).toBeGreaterThanOrEqual(at);
        expect(timers.monotonic()).toBeLessThanOrEqual(at + 10);
        due.delete(item);
      });
      for (const s of steps) {
        if ('add' in s) {
          due.set(delays.length, timers.monotonic() + 640);
          delays.push(queue.add(delays.length));
        } else if ('pass' in s) timers.advance(s.pass);
        else {
          const delay = delays[('cancel' in s ? s.cancel : s.restart) % Math.max(delays.length, 1)];
          if (!delay) continue;
          if ('cancel' in s) {
            delay.cancel();
            due.delete(delay.item);
          } else {
            delay.restart();
            due.set(delay.item, timers.monotonic() + 640);
          }
        }
        if (due.size > 0) expect(due.has(queue.oldest ?? -1)).toBe(true);
        else expect(queue.oldest).toBeUndefined();
      }
      timers.advance(700);
      expect(due.size).toBe(0);
      expect(timers.pending).toBe(0);
    }),
  );
});

test('clear removes every item', () => {
  const timers = new ManualTimers();
  const queue = new DelayQueue<number>(10, timers, () => {
    throw new Error('expired');
  });
  queue.add(1);
  queue.add(2);
  queue.clear();
  timers.advance(100);
  expect(timers.pending).toBe(0);
});

test('a cleared queue can be used again', () => {
  const timers = new ManualTimers();
  const expired: number[] = [];
  const queue = new DelayQueue<number>(10, timers, (item) => expired.push(item));
  queue.add(1);
  queue.clear();
  queue.add(2);
  timers.advance(10);
  expect(expired).toEqual([2]);
});
