import { expect, test } from 'bun:test';
import { sidecarBinary } from '../support/binary.ts';
import { runBench } from './run-bench.ts';

test('measures commands of the binary', async () => {
  const { code, stdout, stderr } = await runBench('cli', '--smoke', '--json', '--binary', await sidecarBinary());
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { commands } = JSON.parse(stdout);
  expect(commands.map(({ command }: { command: string }) => command)).toContain('fs list');
  for (const { minMs, medianMs, maxMs } of commands) {
    expect(minMs).toBeGreaterThan(0);
    expect(medianMs).toBeWithin(minMs, maxMs + 1);
  }
});

test('exits 1 when a command fails, 2 for a faulty flag', async () => {
  const broken = await runBench('cli', '--smoke', '--binary', await sidecarBinary(), '--socket', '/nowhere/admin.sock');
  expect(broken.code).toBe(1);
  expect(broken.stderr).toContain('fs list ended with 4');
  expect((await runBench('cli', '--runs', '0')).code).toBe(2);
});
