import { expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { spawnProcess } from '../support/process.ts';

const PROBE = join(import.meta.dir, 'fatal-probe.ts');

test('the reason of a fatal end is the last line, also for a reader who is slow', async () => {
  const child = spawn(process.execPath, [PROBE], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  // Nothing is read while the pipe fills.
  await once(child.stdout, 'readable');
  const lines = (await text(child.stdout)).trimEnd().split('\n');
  expect(lines.filter((line) => line.includes('"msg":"line '))).toHaveLength(1000);
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({
    level: 60,
    msg: 'uncaughtException',
    why: expect.stringContaining('a fault of our own'),
  });
  expect(await exited).toEqual([1, null]);
});

test('a fatal end needs no reader', async () => {
  const probe = spawnProcess(process.execPath, [PROBE]);
  probe.abandonStdout();
  expect((await probe.exited).code).toBe(1);
});
