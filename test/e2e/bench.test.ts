import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { sidecarBinary } from '../support/binary.ts';
import { within } from '../support/deadline.ts';
import { spawnProcess } from '../support/process.ts';

test('the benchmark runs against the binary, every answer right', async () => {
  const script = join(import.meta.dir, '../../bench/register/run-embedded.ts');
  const bench = spawnProcess(process.execPath, [script, '--smoke', '--binary', await sidecarBinary()]);
  const { code } = await within(bench.exited, 50_000, 'end of the benchmark');
  expect(bench.lines.filter((line) => /does not count/.test(line))).toEqual([]);
  expect(code).toBe(0);
});

test('every phone of a burst is answered', async () => {
  const script = join(import.meta.dir, '../../bench/burst/index.ts');
  const bench = spawnProcess(process.execPath, [script, '--smoke', '--busy', '--binary', await sidecarBinary()]);
  const { code } = await within(bench.exited, 50_000, 'end of the benchmark');
  expect(bench.lines.filter((line) => /answered/.test(line))).toEqual([
    expect.stringMatching(/^answered 100, lost 0, /),
  ]);
  expect(code).toBe(0);
});
