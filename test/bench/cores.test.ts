import { expect, test } from 'bun:test';
import { sidecarBinary } from '../support/binary.ts';
import { runBench } from './run-bench.ts';

test.each(['drachtio', 'edge'])('measures one sidecar and two that share the phones, front %s', async (front) => {
  const binary = await sidecarBinary();
  const { code, stdout, stderr } = await runBench('cores', '--smoke', '--json', '--front', front, '--binary', binary);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const report = JSON.parse(stdout);
  expect(report.faults).toEqual([]);
  for (const pace of ['paced', 'ceiling']) {
    const sides = report[pace].map(({ side, work }: Record<string, string>) => `${work}, ${side}`);
    expect(sides).toEqual(['full, 1 sidecar', 'full, 2 sidecars', 'refresh, 1 sidecar', 'refresh, 2 sidecars']);
  }
  // Both have a part of the work.
  const [, two] = report.ceiling;
  for (const sidecar of [1, 2]) expect(two.summary[`sidecar ${sidecar} CPU ms/unit`].median).toBeGreaterThan(0);
});
