import { describe, expect, test } from 'bun:test';
import { background } from '../../src/lib/background.ts';
import { traceOf } from '../../src/lib/logger.ts';
import { RecordingLogger } from '../support/logger.ts';
import { settle } from '../support/timers.ts';

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
