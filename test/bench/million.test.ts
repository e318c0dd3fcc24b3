import { expect, test } from 'bun:test';
import { sidecarBinary } from '../support/binary.ts';
import { runBench } from './run-bench.ts';

test('measures few and many bindings, and lists every one of them', async () => {
  const { code, stdout, stderr } = await runBench('million', '--smoke', '--json', '--binary', await sidecarBinary());
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const report = JSON.parse(stdout);
  expect(report.faults).toEqual([]);
  const sides = (part: string) => report[part].map(({ side, work }: Record<string, string>) => `${work} ${side}`);
  expect(sides('growth')).toEqual(['full 100', 'full 2000', 'refresh 100', 'refresh 2000']);
  expect(sides('lookups')).toEqual(['full 100', 'full 2000', 'full 2000, no index']);
  expect(report.list.bindings).toBe(2000);
  expect(report.reconciliation.sidecarCpuMs).toBeGreaterThan(0);
});

test('exits 2 for a faulty flag', async () => {
  for (const args of [['--bindings', '0'], ['--part', 'all'], ['stray']])
    expect((await runBench('million', ...args)).code).toBe(2);
});
