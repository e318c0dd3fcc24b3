import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { sidecarBinary } from '../support/binary.ts';
import { within } from '../support/deadline.ts';
import { spawnProcess } from '../support/process.ts';

const SCRIPT = join(import.meta.dir, '../../bench/trunks/index.ts');

async function bench(...args: string[]) {
  const process_ = spawnProcess(process.execPath, [SCRIPT, ...args]);
  const { code } = await within(process_.exited, 60_000, 'end of the benchmark');
  return { code, stdout: process_.stdout.join('\n'), stderr: process_.stderr.join('\n') };
}

test('registers every trunk with the binary, and measures it', async () => {
  const { code, stdout, stderr } = await bench('--smoke', '--json', '--binary', await sidecarBinary());
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const report = JSON.parse(stdout);
  expect(report).toMatchObject({ faults: [], options: { trunks: 200, stores: 'sqlite' } });
  expect(report.registeringSeconds).toBeGreaterThan(0);
  expect(report.cpuPercent).toHaveLength(2);
  expect(report.cycleMs).toHaveLength(3);
  for (const mb of [...report.idleMb, ...report.settledMb]) expect(mb).toBeGreaterThan(0);
  const figures = report.figures.map(({ figure }: { figure: string }) => figure);
  expect(figures).toContain('growth, KB a trunk');
});

test('a sidecar that does not start is exit 1, a wrong flag exit 2', async () => {
  const broken = await bench('--smoke', '--binary', '/bin/false');
  expect(broken.code).toBe(1);
  expect(broken.stderr).toContain('last lines of /bin/false');
  for (const args of [['--trunks', '0'], ['--stores', 'files'], ['stray']]) expect((await bench(...args)).code).toBe(2);
});
