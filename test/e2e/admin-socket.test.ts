import { describe, expect, test } from 'bun:test';
import { chmodSync, existsSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import type { SpawnedProcess } from '../support/process.ts';
import { binaryForAll, directoryForAll, NAMELESS, NOBODY, ROOT, spawnAs } from '../support/users.ts';

const DEADLINE_MS = 30_000;

const binary = await binaryForAll();
const newPath = () => join(directoryForAll('admin'), 'admin.sock');

function serve(uid: number, socket: string): SpawnedProcess {
  const data = directoryForAll('data');
  const args = ['serve', '--embedded', '--sip', 'udp/127.0.0.1:0', '--data', join(data, 'db')];
  return spawnAs(uid, binary, args, { SBC_SOCKET_PATH: socket });
}

async function started(uid: number, socket: string): Promise<SpawnedProcess> {
  const sidecar = serve(uid, socket);
  await sidecar.line(/is ready, embedded/, DEADLINE_MS);
  return sidecar;
}

async function ended(process: SpawnedProcess) {
  const { code } = await within(process.exited, DEADLINE_MS, 'end of the process');
  return { code, stdout: process.stdout.join('\n'), stderr: process.stderr.join('\n') };
}

const cli = (uid: number, socket: string, ...args: string[]) =>
  ended(spawnAs(uid, binary, args, { SBC_SOCKET_PATH: socket }));

/** Kills a sidecar, whose socket stays. */
async function kill(sidecar: SpawnedProcess, socket: string): Promise<void> {
  const { stdout } = await cli(lstatSync(socket).uid, socket, 'status', '--json');
  const pid: unknown = JSON.parse(stdout).pid;
  await ended(spawnAs(ROOT, 'kill', ['-9', String(pid)]));
  await ended(sidecar);
  expect(existsSync(socket)).toBe(true);
}

describe('the socket of a running sidecar of root', () => {
  test('answers root; any other user is told whom to become', async () => {
    const socket = newPath();
    await started(ROOT, socket);
    expect(lstatSync(socket).mode & 0o777).toBe(0o600);
    expect(await cli(ROOT, socket, 'fs', 'drained')).toMatchObject({ code: 0 });
    expect(await cli(NOBODY, socket, 'status')).toEqual({
      code: 7,
      stdout: '',
      stderr: `permission denied: nobody (uid 65534) may not open ${socket}. Run this command as root (uid 0)`,
    });
    const json = await cli(NAMELESS, socket, 'status', '--json');
    const error = `permission denied: uid 54321 may not open ${socket}. Run this command as root (uid 0)`;
    expect({ ...json, stdout: JSON.parse(json.stdout) }).toEqual({
      code: 7,
      stdout: { success: false, error },
      stderr: error,
    });
  });

  test('is not cut off by a sidecar of another user', async () => {
    const socket = newPath();
    await started(ROOT, socket);
    const other = await ended(serve(NOBODY, socket));
    expect(other).toMatchObject({ code: 1, stdout: '' });
    expect(other.stderr).toStartWith(
      `admin socket ${socket}: ${socket}.lock belongs to root (uid 0), and we are nobody `,
    );
    expect(other.stderr).not.toContain('\n');
    expect(await cli(ROOT, socket, 'fs', 'drained')).toMatchObject({ code: 0 });
  });

  test('may be in a directory that others cannot search', async () => {
    const directory = directoryForAll('admin');
    await started(ROOT, join(directory, 'admin.sock'));
    await ended(spawnAs(ROOT, 'chmod', ['700', directory]));
    await ended(spawnAs(ROOT, 'chown', ['0', directory]));
    const { code, stderr } = await cli(NOBODY, join(directory, 'admin.sock'), 'status');
    expect(code).toBe(7);
    expect(stderr).toEndWith("Run this command as the sidecar's user");
    expect(await ended(serve(NOBODY, join(directory, 'admin.sock')))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`nobody (uid 65534) cannot create files in ${directory} (EACCES). `),
    });
  });
});

describe('the socket of a sidecar of another user', () => {
  test('is asked by that user only, not by root', async () => {
    const socket = newPath();
    await started(NOBODY, socket);
    expect(await cli(NOBODY, socket, 'fs', 'drained')).toMatchObject({ code: 0 });
    const denied = 'belongs to nobody (uid 65534), and you are';
    expect(await cli(ROOT, socket, 'status')).toEqual({
      code: 7,
      stdout: '',
      stderr: `${socket} ${denied} root (uid 0). Run this command as nobody (uid 65534)`,
    });
    expect(await cli(NAMELESS, socket, 'status')).toMatchObject({
      code: 7,
      stderr: expect.stringContaining(`${denied} uid 54321`),
    });
  });

  test('is replaced neither by root nor by a third user, not even when it is dead; its own user replaces it', async () => {
    const socket = newPath();
    await kill(await started(NOBODY, socket), socket);
    for (const uid of [ROOT, NAMELESS]) {
      const { code, stderr } = await ended(serve(uid, socket));
      expect(code).toBe(1);
      expect(stderr).toMatch(
        / belongs to nobody \(uid 65534\), and we are (root \(uid 0\)|uid 54321)\. If no sidecar /,
      );
      expect(stderr).toContain(`rm -f ${socket} ${socket}.lock; or set SBC_SOCKET_PATH to another path`);
      expect(stderr).not.toContain('\n');
    }
    expect(lstatSync(socket).uid).toBe(NOBODY);
    const again = await started(NOBODY, socket);
    expect(await cli(NOBODY, socket, 'fs', 'drained')).toMatchObject({ code: 0 });
    await kill(again, socket);
  });
});

test('of sidecars that start at once, exactly one runs and answers', async () => {
  const socket = newPath();
  await kill(await started(NOBODY, socket), socket);
  const sidecars = [1, 2, 3].map(() => serve(NOBODY, socket));
  const results = await Promise.all(
    sidecars.map((sidecar) => Promise.race([ended(sidecar), sidecar.line(/is ready, embedded/, DEADLINE_MS)])),
  );
  const losers = results.filter((result) => 'code' in result);
  expect(losers.map(({ code }) => code)).toEqual([1, 1]);
  for (const { stderr } of losers) expect(stderr).toMatch(/^admin socket .* is in use by (pid \d+|another process)\. /);
  expect(await cli(NOBODY, socket, 'fs', 'drained')).toMatchObject({ code: 0 });
});

test('SIGTERM removes socket and lock', async () => {
  const directory = directoryForAll('admin');
  const socket = join(directory, 'admin.sock');
  const sidecar = await started(NOBODY, socket);
  expect(readdirSync(directory).toSorted()).toEqual(['admin.sock', 'admin.sock.lock']);
  sidecar.kill('SIGTERM');
  expect(await ended(sidecar)).toMatchObject({ code: 0 });
  expect(readdirSync(directory)).toEqual([]);
});

test('no sidecar is another exit code than no permission', async () => {
  const socket = newPath();
  chmodSync(join(socket, '..'), 0o755);
  expect(await cli(NOBODY, socket, 'status')).toMatchObject({ code: 4 });
  expect(await cli(NOBODY, join(temporaryDirectory('admin'), 'admin.sock'), 'status')).toMatchObject({ code: 7 });
});
