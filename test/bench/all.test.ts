import { expect, test } from 'bun:test';
import { join } from 'node:path';
import type { Row } from '../../bench/report/results.ts';
import { sidecarBinary } from '../support/binary.ts';
import { temporaryDirectory } from '../support/cleanup.ts';
import { runBench } from './run-bench.ts';

const PARTS = ['options', 'load', 'users', 'production'];
/** That of the command itself, bench/index.ts. */
const ALL = '.';

test('one command measures the binary beside others, and writes results, plots and a table', async () => {
  const results = temporaryDirectory('bench-results');
  const flags = ['--smoke', '--only', PARTS.join(), '--results', results, '--binary', await sidecarBinary()];
  const { code, stdout, stderr } = await runBench(ALL, ...flags);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const part of PARTS) {
    const { rows }: { rows: Row[] } = await Bun.file(join(results, `${part}.json`)).json();
    const sidecar = rows.filter(({ side }) => side.startsWith('sidecar'));
    expect(sidecar.length).toBeGreaterThan(0);
    for (const { figures } of sidecar) expect(figures?.unitsPerSecond.median).toBeGreaterThan(0);
  }
  expect(stdout).toMatch(/^\| OPTIONS +\| closed loop +\| sidecar, SQLite +\|/m);
  for (const plot of ['load.svg', 'users.svg'])
    expect(await Bun.file(join(results, plot)).text()).toContain('>sidecar, SQLite</text>');
});

test('a part that is not known is a usage error', async () => {
  expect(await runBench(ALL, '--only', 'nothing')).toMatchObject({ code: 2, stdout: '' });
});
