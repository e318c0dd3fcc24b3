import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { within } from '../support/deadline.ts';
import { spawnProcess } from '../support/process.ts';

const EVIL = '\x1b]0;owned\x07\x9b2J\x7f\u202eevil\u2028\rline';
const source = (file: string) => JSON.stringify(join(import.meta.dir, '../../src/lib', file));
const SCRIPT = `const { createLogger } = await import(${source('log.ts')});
  const { systemTimers } = await import(${source('timers.ts')});
  const { logger, output } = await createLogger('info', 'test', systemTimers);
  const evil = ${JSON.stringify(EVIL)};
  logger.info({ userAgent: evil, nested: { [evil]: [evil] }, why: 'a\\n    at b' }, 'from ' + evil);
  await output.drained(5_000);`;

const WITH_SECRETS = `const { createLogger } = await import(${source('log.ts')});
  const { systemTimers } = await import(${source('timers.ts')});
  const { logger, output } = await createLogger('info', 'test', systemTimers);
  const fields = { password: 'abcdefgh', user: 'alice', headers: { Authorization: 'Digest abcdefgh', Via: 'x' }, list: [1] };
  logger.info(fields, 'all');
  logger.info(fields.headers, 'headers');
  await output.drained(5_000);`;

async function output(command: string, args: readonly string[]) {
  const log = spawnProcess(command, args, { env: { TERM: 'xterm', SCRIPT } });
  await within(log.exited, 30_000, 'end of the log');
  return log.stdout;
}

test('a JSON log line keeps its values, and has no control characters', async () => {
  const [line = '', ...others] = await output(process.execPath, ['-e', SCRIPT]);
  expect(others).toEqual([]);
  expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  expect(JSON.parse(line)).toMatchObject({ userAgent: EVIL, nested: { [EVIL]: [EVIL] }, msg: `from ${EVIL}` });
});

test('secrets are hidden, at the top level and one below', async () => {
  const [all = '', headers = ''] = await output(process.execPath, ['-e', WITH_SECRETS]);
  expect(JSON.parse(all)).toMatchObject({
    password: '[hidden]',
    user: 'alice',
    headers: { Authorization: '[hidden]', Via: 'x' },
    list: [1],
  });
  // The first line has not changed the fields themselves.
  expect(JSON.parse(headers)).toMatchObject({ Authorization: '[hidden]', Via: 'x' });
  expect(all + headers).not.toContain('abcdefgh');
});

test('on a terminal the only control characters are the colours and line breaks of the log itself', async () => {
  const lines = await output('script', ['-qec', `${process.execPath} -e "$SCRIPT"`, '/dev/null']);
  const [first = '', ...painted] = lines.join('\n').split('\x1b[');
  const text = first + painted.map((part) => part.replace(/^\d+m/, '')).join('');
  expect(text).toContain('from \\u001b]0;owned\\u0007\\u009b2J\\u007f\\u202eevil\\u2028\\rline');
  expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
});
