import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { requestOnce } from '../../src/admin/client.ts';
import { NoSidecarError } from '../../src/admin/errors.ts';
import { sidecarBinary } from '../support/binary.ts';
import { onCleanup, temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { eventually } from '../support/eventually.ts';
import { type SpawnedProcess, spawnProcess } from '../support/process.ts';

describe('a reader of stdout that leaves', () => {
  const leaving: [string, (sidecar: SpawnedProcess, socketPath: string) => Promise<unknown>][] = [
    ['before the first line', async () => {}],
    ['at the first line', (sidecar) => sidecar.line(/./, 20_000)],
    ['during start', (sidecar) => sidecar.line(/is ready, embedded/, 20_000)],
    ['once it is ready', (_, socketPath) => ready(socketPath)],
  ];
  test.each(leaving)('%s changes nothing', async (_, moment) => {
    const cwd = temporaryDirectory('stdout');
    const socketPath = join(cwd, 'admin.sock');
    // A misplaced variable for a warning as the first line.
    const env = { SBC_SOCKET_PATH: socketPath, JAMBONES_LOGLEVEL: 'debug', SIDECAR_TRUNCATED: '1' };
    const sidecar = spawnProcess(await sidecarBinary(), ['serve', '--embedded', '--sip', 'udp/127.0.0.1:0'], {
      env,
      cwd,
    });
    onCleanup(() => sidecar.kill('SIGKILL'));
    await moment(sidecar, socketPath);
    sidecar.abandonStdout();
    await ready(socketPath);
    // More lines for no one.
    await requestOnce('reload', {}, { socketPath });
    sidecar.kill('SIGTERM');
    expect((await within(sidecar.exited, 20_000, 'the end of the sidecar')).code).toBe(0);
  });
});

test('a reader of stdout that reads nothing does not hold up the end', async () => {
  const cwd = temporaryDirectory('stdout');
  const socketPath = join(cwd, 'admin.sock');
  const shell = 'mkfifo log; exec 8<>log; exec "$0" serve --embedded --sip udp/127.0.0.1:0 >log';
  const env = { SBC_SOCKET_PATH: socketPath, JAMBONES_LOGLEVEL: 'debug' };
  const sidecar = spawnProcess('sh', ['-c', shell, await sidecarBinary()], { env, cwd });
  onCleanup(() => sidecar.kill('SIGKILL'));
  await ready(socketPath);
  // No one reads: the pipe fills.
  for (let i = 0; i < 1000; i++) await requestOnce('reload', {}, { socketPath });
  sidecar.kill('SIGTERM');
  expect((await within(sidecar.exited, 20_000, 'the end of the sidecar')).code).toBe(0);
});

function ready(socketPath: string): Promise<unknown> {
  return eventually('ready', async () => {
    try {
      return (await requestOnce('status', {}, { socketPath })).ready || undefined;
    } catch (error) {
      if (error instanceof NoSidecarError) return undefined;
      throw error;
    }
  });
}
