import { expect, test } from 'bun:test';
import type { RegisterStatus } from '../../src/ports/carriers.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import { StatusWriter } from '../../src/regbot/status-writer.ts';
import { RecordingLogger } from '../support/logger.ts';
import { settle } from '../support/timers.ts';

function make() {
  const writes: { sid: string; reason: string; done: PromiseWithResolvers<void> }[] = [];
  const logger = new RecordingLogger();
  const writer = new StatusWriter(
    {
      saveRegisterStatus: (sid, { reason }) => {
        const done = Promise.withResolvers<void>();
        writes.push({ sid, reason, done });
        return done.promise;
      },
    },
    logger,
  );
  const status = (reason: string): RegisterStatus => ({ status: 'ok', reason, timestamp: '' });
  return { writer, writes, logger, status, seen: () => writes.map((w) => `${w.sid} ${w.reason}`) };
}

test('writes for a carrier one at a time, and only the latest pending status', async () => {
  const { writer, writes, status, seen } = make();
  for (const reason of ['1', '2', '3']) writer.write('a', status(reason));
  expect(seen()).toEqual(['a 1']);
  writes[0]?.done.resolve();
  await settle();
  expect(seen()).toEqual(['a 1', 'a 3']);
});

test('writes for at most four carriers at a time', async () => {
  const { writer, writes, status, seen } = make();
  for (const sid of 'abcdef') writer.write(sid, status('1'));
  expect(seen()).toHaveLength(4);
  writes[2]?.done.resolve();
  await settle();
  expect(seen().slice(4)).toEqual(['e 1']);
});

test('logs a failed write and goes on with the next', async () => {
  const { writer, writes, status, seen, logger } = make();
  writer.write('a', status('1'));
  writes[0]?.done.reject(new Unavailable('MySQL', 'no connection'));
  await settle();
  expect(logger.lines.map((l) => l.message)).toEqual(['saving of register_status failed']);
  writer.write('a', status('2'));
  expect(seen()).toEqual(['a 1', 'a 2']);
});

test('a fault of ours is logged as an error, and does not hold up those that wait', async () => {
  const { writer, writes, status, seen, logger } = make();
  writer.write('a', status('1'));
  writer.write('a', status('2'));
  writes[0]?.done.reject(new TypeError('a fault of ours'));
  await settle();
  expect(logger.lines.map((l) => l.level)).toEqual(['error']);
  expect(seen()).toEqual(['a 1', 'a 2']);
});

test('logs an outage once', async () => {
  const { writer, writes, status, logger } = make();
  for (const sid of 'abc') writer.write(sid, status('1'));
  for (const { done } of writes) done.reject(new Unavailable('MySQL', 'no connection'));
  await settle();
  for (const sid of 'abc') writer.write(sid, status('2'));
  for (const { done } of writes.slice(3)) done.resolve();
  await settle();
  expect(logger.lines.filter((l) => l.level !== 'debug').map((l) => l.message)).toEqual([
    'saving of register_status failed',
  ]);
});

test('drops pending writes on request', async () => {
  const { writer, writes, status, seen } = make();
  writer.write('a', status('1'));
  writer.write('a', status('2'));
  writer.forget();
  writes[0]?.done.resolve();
  await settle();
  expect(seen()).toEqual(['a 1']);
});
