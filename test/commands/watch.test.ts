import { expect, test } from 'bun:test';
import { AdminPeer, serverList } from '../support/admin-peer.ts';
import { sidecarBinary } from '../support/binary.ts';
import { spawnProcess } from '../support/process.ts';
import { ended, start, startOnTerminal } from './cli.ts';

const DEADLINE_MS = 30_000;
const list = serverList({ calls: 1 }, { server: '10.0.0.2:5060', status: 'drained' });

test('in a pipe: a table every second and a blank line between, until SIGINT; a refusal is shown in its place', async () => {
  const peer = await AdminPeer.start(() => list);
  const watch = await start(peer.path, ['fs', 'watch']);
  await watch.line(/10\.0\.0\.2/, DEADLINE_MS);
  await watch.line(/10\.0\.0\.2/, DEADLINE_MS, watch.lines.length);
  peer.reply = () => ({ success: false, error: 'Redis: away' });
  await watch.line(/^Redis: away$/, DEADLINE_MS);
  const from = watch.lines.length;
  peer.reply = () => list;
  await watch.line(/^Feature servers:$/, DEADLINE_MS, from);
  watch.kill('SIGINT');
  const { code, stdout, stderr } = await ended(watch);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^Feature servers:\n {2}SERVER.*\n {2}10\.0\.0\.1.*\n {2}10\.0\.0\.2.*\n\nFeature servers:\n/);
  expect(stdout).not.toContain('\x1b');
});

test.each([
  [[], ''],
  [['--json'], '{"success":false,"error":"no sidecar at '],
])('%p without a sidecar at the start: exit 4', async (flags, document) => {
  const { code, stdout, stderr } = await ended(await start('/nowhere/admin.sock', ['fs', 'watch', ...flags]));
  expect({ code, stderr }).toEqual({ code: 4, stderr: expect.stringMatching(/^no sidecar at /) });
  expect(stdout).toStartWith(document);
  expect(stdout.split('\n')).toHaveLength(1);
});

test('a sidecar that stops: exit 4', async () => {
  const peer = await AdminPeer.start(() => list);
  const watch = await start(peer.path, ['fs', 'watch']);
  await watch.line(/10\.0\.0\.2/, DEADLINE_MS);
  peer.stop();
  expect(await ended(watch)).toMatchObject({ code: 4, stderr: expect.stringMatching(/^no sidecar at /) });
});

test('on a terminal a sidecar that stops leaves the cursor and the error', async () => {
  const peer = await AdminPeer.start(() => list);
  const watch = await startOnTerminal(peer.path, ['fs', 'watch']);
  await watch.line(/\[HFeature servers:/, DEADLINE_MS);
  peer.stop();
  const { code, stdout } = await ended(watch);
  expect(code).toBe(4);
  expect(stdout.split('\x1b[?25h').at(-1)).toStartWith('no sidecar at ');
});

test('--json: one document per line', async () => {
  const peer = await AdminPeer.start(() => list);
  const watch = await start(peer.path, ['fs', 'watch', '--json']);
  await watch.line(/"success":true/, DEADLINE_MS);
  await watch.line(/"success":true/, DEADLINE_MS, watch.lines.length);
  peer.stop();
  const { code, stdout } = await ended(watch);
  expect(code).toBe(4);
  const documents = stdout.split('\n').map((line) => JSON.parse(line));
  expect(documents.slice(0, 2)).toEqual([list, list]);
  expect(documents.at(-1)).toMatchObject({ success: false, error: expect.stringContaining('no sidecar at') });
});

test('on a terminal: redraws in place, and Ctrl-C restores the cursor', async () => {
  const peer = await AdminPeer.start(() => list);
  const watch = await startOnTerminal(peer.path, ['fs', 'watch']);
  // The second frame follows directly on the end of the first.
  await watch.line(/\[J.\[HFeature servers:/, DEADLINE_MS);
  for (const pid of await childrenOf(watch.pid)) process.kill(pid, 'SIGINT');
  const { code, stdout } = await ended(watch);
  expect(code).toBe(0);
  expect(stdout).toStartWith('\x1b[?25l\x1b[?7l\x1b[2J\x1b[HFeature servers:\x1b[K\n');
  expect(stdout).toContain('🔴 10.0.0.2:5060');
  expect(stdout.split('\x1b[H').length).toBeGreaterThan(2);
  expect(stdout).toEndWith('\x1b[J\x1b[?7h\x1b[?25h');
});

test('ends without an error when the reader closes the pipe', async () => {
  const peer = await AdminPeer.start(() => list);
  const command = `"${await sidecarBinary()}" fs watch | head -n 1; echo "\${PIPESTATUS[0]}"`;
  const shell = spawnProcess('bash', ['-c', command], { env: { SBC_SOCKET_PATH: peer.path } });
  expect(await ended(shell)).toEqual({ code: 0, stdout: 'Feature servers:\n0', stderr: '' });
});

test('SIGINT ends it while a request is pending', async () => {
  const peer = await AdminPeer.start();
  const watch = await start(peer.path, ['fs', 'watch']);
  await peer.requests(1);
  watch.kill('SIGINT');
  expect(await ended(watch)).toEqual({ code: 0, stdout: '', stderr: '' });
});

async function childrenOf(pid: number): Promise<number[]> {
  const text = await Bun.file(`/proc/${pid}/task/${pid}/children`).text();
  return text.trim().split(' ').filter(Boolean).map(Number);
}
