import { expect, test } from 'bun:test';
import { sidecarBinary } from '../support/binary.ts';
import { runBench } from './run-bench.ts';

test('measures the binary while it registers every trunk', async () => {
  const { code, stdout, stderr } = await runBench('trunks', '--smoke', '--json', '--binary', await sidecarBinary());
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

test('exits 1 when the sidecar does not start, 2 for a faulty flag', async () => {
  const broken = await runBench('trunks', '--smoke', '--binary', '/bin/false');
  expect(broken.code).toBe(1);
  expect(broken.stderr).toContain('last lines of /bin/false');
  for (const args of [['--trunks', '0'], ['--stores', 'files'], ['stray']])
    expect((await runBench('trunks', ...args)).code).toBe(2);
});
