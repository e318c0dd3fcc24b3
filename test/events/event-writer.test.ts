import { expect, test } from 'bun:test';
import { EventBus } from '../../src/events/bus.ts';
import { EventWriter } from '../../src/events/event-writer.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import type { PublishedEvent } from '../../src/ports/events.ts';
import { RecordingLogger } from '../support/logger.ts';
import { ManualTimers, settle } from '../support/timers.ts';
import { registered } from './support.ts';

function start() {
  const timers = new ManualTimers();
  const logger = new RecordingLogger();
  const bus = new EventBus(timers);
  const written: number[] = [];
  const batches: number[] = [];
  const sink = {
    isAway: false,
    attempts: 0,
    async append(events: readonly PublishedEvent[]) {
      sink.attempts++;
      if (sink.isAway) throw new Unavailable('Redis', 'not connected');
      written.push(...events.map(({ id }) => id));
      batches.push(events.length);
    },
  };
  const writer = new EventWriter(bus, sink, timers, logger);
  const emit = (count: number) => {
    for (let i = 0; i < count; i++) bus.emit(registered(`user${i}@x`));
  };
  return { timers, logger, sink, writer, written, batches, emit };
}

function upTo(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

test('events are written in order, a hundred at a time, those from before the start too', async () => {
  const { writer, written, batches, emit } = start();
  emit(150);
  writer.start();
  await settle();
  emit(100);
  await settle();
  expect(written).toEqual(upTo(1, 250));
  expect(Math.max(...batches)).toBe(100);
  await writer.stop();
});

test('emitting waits for nothing', async () => {
  const { writer, written, emit } = start();
  writer.start();
  emit(3);
  expect(written).toEqual([]);
  await writer.stop();
  expect(written).toEqual([1, 2, 3]);
});

test('after an outage the events that wait are written, in order; it is one line in the log', async () => {
  const { timers, logger, sink, writer, written, emit } = start();
  writer.start();
  sink.isAway = true;
  emit(5);
  await timers.advanceAsync(60_000);
  emit(5);
  sink.isAway = false;
  await timers.advanceAsync(2000);
  expect(written).toEqual(upTo(1, 10));
  expect(logger.lines.filter(({ level }) => level !== 'debug')).toEqual([
    { level: 'warn', fields: { why: 'Redis: not connected' }, message: 'writing of events failed' },
  ]);
  await writer.stop();
  expect(timers.pending).toBe(0);
});

test('in a long outage the oldest events are dropped; one line says how many', async () => {
  const { timers, logger, sink, writer, written, emit } = start();
  writer.start();
  sink.isAway = true;
  emit(1);
  await settle();
  emit(5000);
  sink.isAway = false;
  await timers.advanceAsync(2000);
  expect(written).toEqual([1, ...upTo(3002, 5001)]);
  expect(logger.lines.filter(({ message }) => message === 'events were not written')).toEqual([
    { level: 'warn', fields: { events: 3000 }, message: 'events were not written' },
  ]);
  await writer.stop();
});

test('lost events are reported once a minute at most, and at the end', async () => {
  const { timers, logger, sink, writer, emit } = start();
  writer.start();
  for (let i = 0; i < 10; i++) {
    sink.isAway = true;
    emit(3000);
    sink.isAway = false;
    await timers.advanceAsync(2000);
  }
  const lost = () => logger.lines.filter(({ message }) => message === 'events were not written');
  expect(lost().map(({ fields }) => fields)).toEqual([{ events: 1000 }]);
  emit(2001);
  await writer.stop();
  expect(lost().map(({ fields }) => fields)).toEqual([{ events: 1000 }, { events: 9001 }]);
});

test('the end writes what waits, and does not wait for a sink that is away', async () => {
  const { logger, sink, writer, written, emit } = start();
  writer.start();
  await settle();
  emit(250);
  await writer.stop();
  expect(written).toEqual(upTo(1, 250));

  const other = start();
  other.writer.start();
  other.sink.isAway = true;
  other.emit(250);
  await other.writer.stop();
  expect(other.sink.attempts).toBeLessThanOrEqual(2);
  expect(other.logger.lines.at(-1)).toMatchObject({ level: 'warn', fields: { events: 250 } });
  expect(logger.lines).toEqual([]);
  expect(sink.isAway).toBe(false);
});

test('a writer that was never started can be stopped', async () => {
  const { writer, written, emit } = start();
  emit(1);
  await writer.stop();
  expect(written).toEqual([]);
});
