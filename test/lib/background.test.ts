import { describe, expect, test } from 'bun:test';
import { background, backgroundFailures, logFault, turn } from '../../src/lib/background.ts';
import { traceOf } from '../../src/lib/logger.ts';
import { QueryFault, Unavailable } from '../../src/ports/errors.ts';
import { RecordingLogger } from '../support/logger.ts';
import { ManualTimers, settle } from '../support/timers.ts';

describe('background', () => {
  test('starts the work at once', () => {
    let started = false;
    background(new RecordingLogger(), 'work', async () => {
      started = true;
    });
    expect(started).toBe(true);
  });

  test('says nothing about work that succeeds', async () => {
    const logger = new RecordingLogger();
    background(logger, 'work', () => Promise.resolve());
    await settle();
    expect(logger.lines).toEqual([]);
  });

  test.each([
    ['rejects', () => Promise.reject(new Error('gone away', { cause: new Error('no route') }))],
    [
      'throws',
      () => {
        throw new Error('gone away', { cause: new Error('no route') });
      },
    ],
  ])('logs work that %s, with the cause, and goes on', async (_, work) => {
    const logger = new RecordingLogger();
    background(logger, 'removal of silent servers', work);
    await settle();
    expect(logger.lines).toMatchObject([{ level: 'error', message: 'removal of silent servers failed' }]);
    expect(JSON.stringify(logger.lines)).toMatch(/gone away.*caused by .*no route/);
  });

  test('counts failures by the name of the work', async () => {
    const logger = new RecordingLogger();
    expect(backgroundFailures(logger)).toEqual(new Map());
    background(logger, 'one', () => Promise.reject(new Unavailable('Redis', 'gone')));
    background(logger, 'one', () => Promise.reject(new TypeError('oops')));
    background(logger, 'other', () => Promise.resolve());
    await settle();
    expect(backgroundFailures(logger)).toEqual(new Map([['one', 2]]));
    expect(backgroundFailures(new RecordingLogger())).toEqual(new Map());
  });
});

describe('a turn', () => {
  function start() {
    const logger = new RecordingLogger();
    const clock = new ManualTimers();
    const fail = (error: Error, what = 'work') => turn(logger, what, () => Promise.reject(error), clock);
    const succeed = () => turn(logger, 'work', () => Promise.resolve(7), clock);
    const news = () => logger.lines.filter((l) => l.level !== 'debug').map((l) => l.level);
    return { logger, clock, fail, succeed, news };
  }

  test('has a result unless it fails', async () => {
    const { fail, succeed } = start();
    expect(await succeed()).toBe(7);
    expect(await fail(new Unavailable('Redis', 'gone'))).toBeUndefined();
  });

  test('logs an outage when it begins, and anew when it has been over', async () => {
    const { logger, fail, succeed, news } = start();
    for (let i = 0; i < 3; i++) await fail(new Unavailable('Redis', 'gone'));
    expect(logger.lines.map((l) => l.level)).toEqual(['warn', 'debug', 'debug']);
    await succeed();
    await fail(new Unavailable('Redis', 'gone'));
    expect(news()).toEqual(['warn', 'warn']);
  });

  test('logs each kind of fault once an hour, whether or not it succeeds in between', async () => {
    const { clock, fail, succeed, news } = start();
    const wrongType = () => new QueryFault('Redis', 'WRONGTYPE Operation', 'WRONGTYPE');
    for (let i = 0; i < 3; i++) {
      await fail(wrongType());
      await succeed();
    }
    expect(news()).toEqual(['error']);
    await fail(new QueryFault('Redis', 'NOPERM', 'NOPERM'));
    await fail(wrongType(), 'other work');
    expect(news()).toHaveLength(3);
    clock.advance(3_600_000);
    await fail(wrongType());
    expect(news()).toHaveLength(4);
  });

  test('does not log an error again that was logged on its way', async () => {
    const { logger, clock, fail } = start();
    const error = new QueryFault('MySQL', 'no such column', 'ER_BAD_FIELD_ERROR');
    logFault(logger, 'query', error, clock);
    await fail(error);
    expect(logger.lines).toMatchObject([{ message: 'query failed', fields: { why: 'MySQL: no such column' } }]);
  });
});

describe('a trace', () => {
  test('is the stack, or the text of what is no Error', () => {
    expect(traceOf(new TypeError('not a function'))).toContain('not a function\n');
    expect(traceOf('plain')).toBe('plain');
    expect(traceOf(undefined)).toBe('undefined');
  });

  test('ends also where causes do not', () => {
    const error = new Error('chicken');
    error.cause = new Error('egg', { cause: error });
    expect(traceOf(error)).toContain('egg');
  });
});
