import { expect, test } from 'bun:test';
import { sidecarBinary } from '../support/binary.ts';
import { runBench } from './run-bench.ts';

test('measures the start of the binary and its memory', async () => {
  const { code, stdout, stderr } = await runBench('start', '--smoke', '--json', '--binary', await sidecarBinary());
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { startMs, idleMb } = JSON.parse(stdout);
  expect(startMs.min).toBeGreaterThan(0);
  expect(idleMb.min).toBeGreaterThan(0);
});
