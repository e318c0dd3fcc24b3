import { expect, test } from 'bun:test';
import { EventBus } from '../../src/events/bus.ts';
import type { PublishedEvent } from '../../src/ports/events.ts';
import { ManualTimers } from '../support/timers.ts';
import { refused, registered } from './support.ts';

test('followers get every event in order, numbered and with its time, until they end', () => {
  const timers = new ManualTimers();
  const bus = new EventBus(timers);
  const got: PublishedEvent[] = [];
  bus.emit(registered('a@x'));
  const unfollow = bus.follow((event) => got.push(event));
  bus.emit(registered('b@x'));
  timers.advance(5);
  bus.emit(registered('c@x'));
  unfollow();
  bus.emit(registered('d@x'));
  const now = timers.now();
  expect(got).toEqual([
    { id: 2, at: now - 5, ...registered('b@x') },
    { id: 3, at: now, ...registered('c@x') },
  ]);
});

test('the last 500 events are kept', () => {
  const bus = new EventBus(new ManualTimers());
  for (let i = 1; i <= 1700; i++) bus.emit(registered(`user${i}@x`));
  expect(bus.recent().map(({ id }) => id)).toEqual(Array.from({ length: 500 }, (_, i) => 1201 + i));
});

test('a long text is cut at 1024 characters, between characters', () => {
  const bus = new EventBus(new ManualTimers());
  bus.emit(refused('a@x', 'InvalidCredentials', { detail: `${'x'.repeat(1023)}😀`, userAgent: 'x'.repeat(1024) }));
  expect(bus.recent()).toMatchObject([{ detail: 'x'.repeat(1023), userAgent: 'x'.repeat(1024), status: 403 }]);
});
