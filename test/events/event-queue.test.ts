import { expect, test } from 'bun:test';
import { EventBus } from '../../src/events/bus.ts';
import { EventQueue, type EventQueueOptions } from '../../src/events/event-queue.ts';
import { ManualTimers, settle } from '../support/timers.ts';
import { registered } from './support.ts';

function start(options: Partial<EventQueueOptions> = {}) {
  const bus = new EventBus(new ManualTimers());
  const emit = (...users: string[]) => {
    for (const user of users) bus.emit(registered(user));
  };
  return { bus, emit, open: () => new EventQueue(bus, { maxWaiting: 3, ...options }) };
}

async function nextOf(queue: EventQueue) {
  const { value } = await queue.next();
  return value && { dropped: value.dropped, ids: value.events.map(({ id }) => id) };
}

test('a reader gets all that waits at once, and then waits for the next event', async () => {
  const { emit, open } = start();
  const queue = open();
  emit('a', 'b');
  expect(await nextOf(queue)).toEqual({ dropped: 0, ids: [1, 2] });
  const next = nextOf(queue);
  await settle();
  emit('c', 'd');
  expect(await next).toEqual({ dropped: 0, ids: [3, 4] });
});

test('beyond the bound the oldest events are dropped and counted', async () => {
  const { emit, open } = start();
  const queue = open();
  emit('a', 'b', 'c', 'd', 'e');
  expect(await nextOf(queue)).toEqual({ dropped: 2, ids: [3, 4, 5] });
  emit('f');
  expect(await nextOf(queue)).toEqual({ dropped: 0, ids: [6] });
});

test('events that are not accepted neither wait nor count', async () => {
  const { emit, open } = start({ accepts: (event) => 'aor' in event && event.aor === 'a' });
  const queue = open();
  emit('b', 'b', 'b', 'b', 'a');
  expect(await nextOf(queue)).toEqual({ dropped: 0, ids: [5] });
});

test.each([
  [0, [5]],
  [2, [2, 4, 5]],
  [100, [1, 2, 4, 5]],
])('with the last %d events that are accepted', async (recent, ids) => {
  const { emit, open } = start({ recent, maxWaiting: 10, accepts: (event) => event.id !== 3 });
  emit('a', 'b', 'c', 'd');
  const queue = open();
  emit('e');
  expect(await nextOf(queue)).toEqual({ dropped: 0, ids });
});

test('at its end it gives what waits, and follows no longer', async () => {
  const { emit, open } = start();
  const queue = open();
  emit('a');
  queue.end();
  emit('b');
  expect(await nextOf(queue)).toEqual({ dropped: 0, ids: [1] });
  expect(await queue.next()).toEqual({ done: true, value: undefined });
});

test('its end wakes a reader who waits', async () => {
  const queue = start().open();
  const next = queue.next();
  await settle();
  queue.end();
  expect(await next).toEqual({ done: true, value: undefined });
});

test('a reader who leaves a loop ends it', async () => {
  const { bus, emit, open } = start();
  const queue = open();
  emit('a');
  for await (const { events } of queue) {
    expect(events).toHaveLength(1);
    break;
  }
  emit('b');
  expect(await queue.next()).toEqual({ done: true, value: undefined });
  expect(bus.recent()).toHaveLength(2);
});
