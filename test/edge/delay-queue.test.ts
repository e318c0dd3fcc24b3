import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Delay, DelayQueue } from '../../src/edge/delay-queue.ts';
import { ManualClock } from './support.ts';

test('one timer of the clock serves them all', () => {
  const clock = new ManualClock();
  const expired: number[] = [];
  const queue = new DelayQueue<number>(1000, clock, (item) => expired.push(item));
  for (let i = 0; i < 500; i++) {
    queue.add(i);
    clock.advance(1);
  }
  expect(clock.pending).toBe(1);
  clock.advance(2000);
  expect(expired).toEqual(Array.from({ length: 500 }, (_, i) => i));
  expect(clock.pending).toBe(0);
});

test('one that starts anew when it expires delays nobody else', () => {
  const clock = new ManualClock();
  const expired: [string, number][] = [];
  const start = clock.now();
  const delays = new Map<string, Delay<string>>();
  const queue = new DelayQueue<string>(640, clock, (item) => {
    expired.push([item, clock.now() - start]);
    delays.get(item)?.restart();
  });
  delays.set('first', queue.add('first'));
  clock.advance(100);
  delays.set('second', queue.add('second'));
  for (let i = 0; i < 130; i++) clock.advance(10);
  expect(expired).toEqual([
    ['first', 640],
    ['second', 740],
    ['first', 1280],
    ['second', 1380],
  ]);
});

test('whatever joins, leaves and starts anew: each expires once, in order, never early, a 64th late at most', () => {
  const step = fc.oneof(
    fc.record({ add: fc.nat(50) }),
    fc.record({ cancel: fc.nat(30) }),
    fc.record({ restart: fc.nat(30) }),
    fc.record({ pass: fc.nat(400) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const clock = new ManualClock();
      const due = new Map<number, number>();
      const delays: Delay<number>[] = [];
      const queue = new DelayQueue<number>(640, clock, (item) => {
        const at = due.get(item) ?? Number.NaN;
        expect(clock.now()).toBeGreaterThanOrEqual(at);
        expect(clock.now()).toBeLessThanOrEqual(at + 10);
        due.delete(item);
      });
      for (const s of steps) {
        if ('add' in s) {
          due.set(delays.length, clock.now() + 640);
          delays.push(queue.add(delays.length));
        } else if ('pass' in s) clock.advance(s.pass);
        else {
          const delay = delays[('cancel' in s ? s.cancel : s.restart) % Math.max(delays.length, 1)];
          if (!delay) continue;
          if ('cancel' in s) {
            delay.cancel();
            due.delete(delay.item);
          } else {
            delay.restart();
            due.set(delay.item, clock.now() + 640);
          }
        }
        if (due.size > 0) expect(due.has(queue.oldest ?? -1)).toBe(true);
        else expect(queue.oldest).toBeUndefined();
      }
      clock.advance(700);
      expect(due.size).toBe(0);
      expect(clock.pending).toBe(0);
    }),
  );
});

test('clear forgets everyone', () => {
  const clock = new ManualClock();
  const queue = new DelayQueue<number>(10, clock, () => {
    throw new Error('expired');
  });
  queue.add(1);
  queue.add(2);
  queue.clear();
  clock.advance(100);
  expect(clock.pending).toBe(0);
});
