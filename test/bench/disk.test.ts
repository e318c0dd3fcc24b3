import { expect, test } from 'bun:test';
import { sidecarBinary } from '../support/binary.ts';
import { runBench } from './run-bench.ts';

test.skipIf(!Bun.which('cc'))(
  'the smoke run of bench/disk delays the syncs, and every request is answered',
  async () => {
    const { code, stdout, stderr } = await runBench('disk', '--smoke', '--json', '--binary', await sidecarBinary());
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { binaries } = JSON.parse(stdout);
    expect(binaries[0].summary['unanswered or wrong'].max).toBe(0);
    // The delay is a fact of the set-up, not a bound on the sidecar.
    expect(binaries[0].summary['registration p50 ms'].median).toBeGreaterThan(10);
  },
);
