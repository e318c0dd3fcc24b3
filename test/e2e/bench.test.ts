import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { sidecarBinary } from '../support/binary.ts';
import { temporaryDirectory } from '../support/cleanup.ts';
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

test('one command measures the binary beside others, and writes results, plots and a table', async () => {
  const script = join(import.meta.dir, '../../bench/index.ts');
  const results = temporaryDirectory('bench-results');
  const flags = ['--smoke', '--only', 'options,load,users', '--results', results, '--binary', await sidecarBinary()];
  const bench = spawnProcess(process.execPath, [script, ...flags]);
  const { code } = await within(bench.exited, 50_000, 'end of the benchmark');
  expect({ code, failed: bench.lines.filter((line) => /^failed/.test(line)) }).toEqual({ code: 0, failed: [] });
  for (const part of ['options', 'load', 'users']) {
    const { rows } = await Bun.file(join(results, `${part}.json`)).json();
    const sidecar = rows.filter(({ side }: { side: string }) => side === 'sidecar, SQLite');
    expect(sidecar.length).toBeGreaterThan(0);
    for (const { figures } of sidecar) expect(figures.unitsPerSecond.median).toBeGreaterThan(0);
    expect(bench.lines.some((line) => line.includes('sidecar, SQLite'))).toBe(true);
  }
  for (const plot of ['load.svg', 'users.svg'])
    expect(await Bun.file(join(results, plot)).text()).toContain('>sidecar, SQLite</text>');
});
