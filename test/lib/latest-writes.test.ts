import { describe, expect, test } from 'bun:test';
import { LatestWrites } from '../../src/lib/latest-writes.ts';
import { QueryFault, Unavailable } from '../../src/ports/errors.ts';
import { RecordingLogger } from '../support/logger.ts';
import { ManualTimers, settle } from '../support/timers.ts';

const DOWN = new Unavailable('MySQL', 'no connection');

function make() {
  const begun: { text: string; done: PromiseWithResolvers<void> }[] = [];
  const logger = new RecordingLogger();
  const timers = new ManualTimers();
  const writes = new LatestWrites<string>({
    what: 'values',
    concurrency: 4,
    timers,
    logger,
    write: (key, value) => {
      const done = Promise.withResolvers<void>();
      begun.push({ text: `${key} ${value}`, done });
      return done.promise;
    },
  });
  const messages = () => logger.lines.filter((l) => l.level !== 'debug').map((l) => `${l.level} ${l.message}`);
  return { writes, begun, timers, messages, seen: () => begun.map((b) => b.text) };
}

test('writes a key once at a time, and only its latest value', async () => {
  const { writes, begun, seen } = make();
  for (const value of ['1', '2', '3']) writes.put('a', value);
  expect(seen()).toEqual(['a 1']);
  begun[0]?.done.resolve();
  await settle();
  expect(seen()).toEqual(['a 1', 'a 3']);
});

test('writes four keys at a time, and the others in their order', async () => {
  const { writes, begun, seen } = make();
  for (const key of 'abcdef') writes.put(key, '1');
  expect(seen()).toHaveLength(4);
  begun[2]?.done.resolve();
  await settle();
  expect(seen().slice(4)).toEqual(['e 1']);
  begun[0]?.done.resolve();
  await settle();
  expect(seen().slice(4)).toEqual(['e 1', 'f 1']);
});

test('a failed write is repeated after 5 s, and nothing is written until then', async () => {
  const { writes, begun, seen, timers } = make();
  writes.put('a', '1');
  begun[0]?.done.reject(DOWN);
  await settle();
  writes.put('b', '1');
  await timers.advanceAsync(4999);
  expect(seen()).toEqual(['a 1']);
  await timers.advanceAsync(1);
  expect(seen().slice(1).sort()).toEqual(['a 1', 'b 1']);
});

test.each(['while it waits', 'while it is written'])(
  'a failed write does not return over a newer value put %s',
  async (when) => {
    const { writes, begun, seen, timers } = make();
    writes.put('a', '1');
    if (when === 'while it is written') writes.put('a', '2');
    begun[0]?.done.reject(DOWN);
    await settle();
    if (when === 'while it waits') writes.put('a', '2');
    await timers.advanceAsync(5000);
    begun[1]?.done.resolve();
    await timers.advanceAsync(60_000);
    expect(seen()).toEqual(['a 1', 'a 2']);
  },
);

describe('a value that the store refuses', () => {
  const REFUSED = new QueryFault('MySQL', 'Data too long', 'ER_DATA_TOO_LONG');

  test('holds up no other, and is written again after a minute', async () => {
    const { writes, begun, seen, timers, messages } = make();
    writes.put('a', '1');
    begun[0]?.done.reject(REFUSED);
    await settle();
    writes.put('b', '1');
    await timers.advanceAsync(59_999);
    expect(seen()).toEqual(['a 1', 'b 1']);
    await timers.advanceAsync(1);
    expect(seen()).toEqual(['a 1', 'b 1', 'a 1']);
    begun[2]?.done.reject(REFUSED);
    await timers.advanceAsync(60_000);
    expect(seen()).toEqual(['a 1', 'b 1', 'a 1', 'a 1']);
    expect(messages()).toEqual(['error saving of values failed']);
  });

  test.each(['while it is written', 'after it'])('is not written again over a newer one put %s', async (when) => {
    const { writes, begun, seen, timers } = make();
    writes.put('a', '1');
    if (when === 'while it is written') writes.put('a', '2');
    begun[0]?.done.reject(REFUSED);
    await settle();
    if (when === 'after it') writes.put('a', '2');
    begun[1]?.done.resolve();
    await timers.advanceAsync(120_000);
    expect(seen()).toEqual(['a 1', 'a 2']);
  });

  test('is forgotten', async () => {
    const { writes, begun, timers } = make();
    writes.put('a', '1');
    begun[0]?.done.reject(REFUSED);
    await settle();
    writes.forget();
    expect(timers.pending).toBe(0);
  });
});

test('a fault of ours is logged as an error, and the write repeated', async () => {
  const { writes, begun, seen, timers, messages } = make();
  writes.put('a', '1');
  begun[0]?.done.reject(new TypeError('a fault of ours'));
  await timers.advanceAsync(5000);
  expect(messages()).toEqual(['error saving of values failed']);
  expect(seen()).toEqual(['a 1', 'a 1']);
});

test('an outage is logged once', async () => {
  const { writes, begun, timers, messages } = make();
  for (const key of 'abc') writes.put(key, '1');
  for (const { done } of begun.splice(0)) done.reject(DOWN);
  await timers.advanceAsync(5000);
  for (const { done } of begun.splice(0)) done.reject(DOWN);
  await timers.advanceAsync(5000);
  for (const { done } of begun.splice(0)) done.resolve();
  await settle();
  expect(messages()).toEqual(['warn saving of values failed']);
});

test('forgets what waits, also for a retry, and a failure that comes later', async () => {
  const { writes, begun, seen, timers, messages } = make();
  writes.put('a', '1');
  writes.put('a', '2');
  writes.put('b', '1');
  writes.put('c', '1');
  for (const { done } of begun.slice(1)) done.reject(DOWN);
  await settle();
  writes.forget();
  expect(timers.pending).toBe(0);
  begun[0]?.done.reject(DOWN);
  await timers.advanceAsync(60_000);
  expect(seen()).toEqual(['a 1', 'b 1', 'c 1']);
  expect(messages()).toEqual(['warn saving of values failed']);
  expect(timers.pending).toBe(0);
  writes.put('d', '1');
  expect(seen().slice(3)).toEqual(['d 1']);
});

test('after it forgot, a key is still written once at a time', async () => {
  const { writes, begun, seen } = make();
  writes.put('a', 'old');
  writes.forget();
  writes.put('a', 'new');
  expect(seen()).toEqual(['a old']);
  begun[0]?.done.resolve();
  await settle();
  expect(seen()).toEqual(['a old', 'a new']);
});
