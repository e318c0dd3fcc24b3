import { expect, test } from 'bun:test';
import { sidecarBinary } from '../support/binary.ts';
import { runBench } from './run-bench.ts';

test.each([
  ['drachtio', 'full'],
  ['edge', 'refresh'],
])('measures one sidecar and two that share the phones, front %s, work %s', async (front, work) => {
  const args = ['--smoke', '--json', '--front', front, '--work', work, '--binary', await sidecarBinary()];
  const { code, stdout, stderr } = await runBench('cores', ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const report = JSON.parse(stdout);
  expect(report.faults).toEqual([]);
  for (const pace of ['paced', 'ceiling'])
    expect(report[pace].map(({ side }: { side: string }) => side)).toEqual(['1 sidecar', '2 sidecars']);
  // Both have a part of the work.
  const [, two] = report.ceiling;
  for (const sidecar of [1, 2]) expect(two.summary[`sidecar ${sidecar} CPU ms/unit`].median).toBeGreaterThan(0);
});
