import { expect, test } from 'bun:test';
import { closeSync, constants, openSync, read } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TextOutput } from '../../src/lib/text-output.ts';
import { systemTimers, type Timers } from '../../src/lib/timers.ts';
import { temporaryDirectory } from '../support/cleanup.ts';
import { ManualTimers } from '../support/timers.ts';

const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
const LONG_MS = 60_000;

/** An output to a pipe of 64 KiB. */
function open(timers: Timers = systemTimers, { maxWaitingBytes = 10_000_000, flags = 0 } = {}) {
  const path = join(temporaryDirectory('pipe'), 'pipe');
  Bun.spawnSync(['mkfifo', path]);
  const reader = openSync(path, O_RDONLY | O_NONBLOCK);
  const writer = openSync(path, O_WRONLY | flags);
  const dropped: number[] = [];
  const output = new TextOutput(writer, timers, (texts) => dropped.push(texts), maxWaitingBytes);
  /** Reads until this many bytes have come. */
  const receive = async (bytes: number) => {
    let text = '';
    while (text.length < bytes) {
      try {
        const { bytesRead, buffer } = await promisify(read)(reader, Buffer.alloc(65_536), 0, 65_536, null);
        text += buffer.toString('utf8', 0, bytesRead);
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
        await Bun.sleep(1);
      }
    }
    return text;
  };
  return { output, receive, dropped, leave: () => closeSync(reader) };
}

const lines = (count: number) => Array.from({ length: count }, (_, i) => `${i}${'x'.repeat(1000)}\n`);

test.each([
  ['', 0],
  [', non-blocking', O_NONBLOCK],
])('a slow reader gets everything in order%s', async (_, flags) => {
  const { output, receive } = open(systemTimers, { flags });
  const sent = lines(500);
  for (const line of sent) output.write(line);
  expect(await receive(sent.join('').length)).toBe(sent.join(''));
  expect(await output.drained(LONG_MS)).toBe(true);
});

test('a reader that leaves is not missed', async () => {
  const { output, leave } = open();
  output.write('one');
  leave();
  for (const line of lines(200)) output.write(line);
  expect(await output.drained(LONG_MS)).toBe(true);
  output.write('more');
  expect(await output.drained(LONG_MS)).toBe(true);
});

test('a wait for a reader who does not read ends', async () => {
  const timers = new ManualTimers();
  const { output, leave } = open(timers);
  for (const line of lines(200)) output.write(line);
  const drained = output.drained(1000);
  timers.advance(1000);
  expect(await drained).toBe(false);
  leave();
});

test('what is too much for a slow reader is dropped and counted', async () => {
  const { output, receive, dropped } = open(systemTimers, { maxWaitingBytes: 200_000 });
  const sent = lines(300);
  for (const line of sent) output.write(line);
  const kept = sent.filter((_, i) => sent.slice(0, i + 1).join('').length <= 200_000);
  expect(await receive(kept.join('').length)).toBe(kept.join(''));
  expect(await output.drained(LONG_MS)).toBe(true);
  expect(dropped).toEqual([sent.length - kept.length]);
});

test('nothing is written after it was closed', async () => {
  const { output, receive } = open();
  output.write('last\n');
  output.close();
  output.write('later\n');
  await output.drained(LONG_MS);
  expect(await receive(5)).toBe('last\n');
});
