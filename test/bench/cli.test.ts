import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { sidecarBinary } from '../support/binary.ts';
import { within } from '../support/deadline.ts';
import { spawnProcess } from '../support/process.ts';

const SCRIPT = join(import.meta.dir, '../../bench/cli/index.ts');

async function bench(...args: string[]) {
  const process_ = spawnProcess(process.execPath, [SCRIPT, ...args]);
  const { code } = await within(process_.exited, 30_000, 'end of the benchmark');
  return { code, stdout: process_.stdout.join('\n'), stderr: process_.stderr.join('\n') };
}

test('measures the binary, every output right', async () => {
  const { code, stdout, stderr } = await bench('--smoke', '--json', '--binary', await sidecarBinary());
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { commands } = JSON.parse(stdout);
  expect(commands.map(({ command }: { command: string }) => command)).toContain('fs list');
  for (const { minMs, medianMs, maxMs } of commands) {
    expect(minMs).toBeGreaterThan(0);
    expect(medianMs).toBeWithin(minMs, maxMs + 1);
  }
});

test('a command that fails is exit 1, a wrong flag exit 2', async () => {
  const broken = await bench('--smoke', '--binary', await sidecarBinary(), '--socket', '/nowhere/admin.sock');
  expect(broken.code).toBe(1);
  expect(broken.stderr).toContain('fs list ended with 4');
  expect((await bench('--runs', '0')).code).toBe(2);
});
