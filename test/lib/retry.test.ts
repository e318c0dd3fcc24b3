import { expect, test } from 'bun:test';
import { retry } from '../../src/lib/retry.ts';
import { RecordingLogger } from '../support/logger.ts';
import { ManualTimers, settle } from '../support/timers.ts';

function start(failures: number) {
  const timers = new ManualTimers();
  const began = timers.now();
  const logger = new RecordingLogger();
  const controller = new AbortController();
  const triedAt: number[] = [];
  const attempt = async () => {
    triedAt.push(timers.now() - began);
    if (triedAt.length <= failures) throw new Error('refused');
  };
  const outcome = retry(attempt, { name: 'Redis', signal: controller.signal, timers, logger });
  return { timers, logger, controller, triedAt, outcome };
}

test('tries at once, then after pauses that double up to 5 s, with a warning for each failure', async () => {
  const { timers, logger, triedAt, outcome } = start(6);
  await timers.advanceAsync(60_000);
  expect(await outcome).toBe(true);
  expect(triedAt).toEqual([0, 500, 1500, 3500, 7500, 12_500, 17_500]);
  expect(logger.lines).toHaveLength(6);
  expect(logger.lines[1]).toEqual({
    level: 'warn',
    fields: { dependency: 'Redis', why: 'refused', retryInMs: 1000 },
    message: 'waiting for Redis',
  });
});

test('ends at the signal, in the middle of a pause too', async () => {
  const { timers, controller, triedAt, outcome } = start(Number.POSITIVE_INFINITY);
  await timers.advanceAsync(600);
  controller.abort();
  expect(await outcome).toBe(false);
  expect(triedAt).toEqual([0, 500]);
  expect(timers.pending).toBe(0);
});

test('ends at the signal while an attempt is under way, and ignores what becomes of it', async () => {
  const controller = new AbortController();
  const attempt = Promise.withResolvers<void>();
  const options = {
    name: 'Redis',
    signal: controller.signal,
    timers: new ManualTimers(),
    logger: new RecordingLogger(),
  };
  const outcome = retry(() => attempt.promise, options);
  controller.abort();
  expect(await outcome).toBe(false);
  attempt.reject(new Error('late'));
});

test('logs a fault of our own code with its stack', async () => {
  const { signal } = new AbortController();
  const logger = new RecordingLogger();
  void retry(() => Promise.reject(new TypeError('oops')), {
    name: 'Redis',
    signal,
    timers: new ManualTimers(),
    logger,
  });
  await settle();
  expect(logger.lines).toMatchObject([{ fields: { why: expect.stringContaining('oops\n    at ') } }]);
});
