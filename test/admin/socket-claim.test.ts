import { describe, expect, spyOn, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { isDead, ownerOf } from '../../src/admin/probe.ts';
import { claimAdminSocket } from '../../src/admin/server.ts';
import { AdminSocketError, claimSocketPath } from '../../src/admin/socket-claim.ts';
import { RawAdminClient } from '../support/admin.ts';
import { AdminPeer } from '../support/admin-peer.ts';
import { onCleanup, temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { eventually } from '../support/eventually.ts';
import { RecordingLogger } from '../support/logger.ts';
import { type SpawnedProcess, spawnProcess } from '../support/process.ts';
import { ManualTimers } from '../support/timers.ts';

const newPath = () => join(temporaryDirectory('admin'), 'admin.sock');

async function claim(path: string, pid = 4711) {
  const logger = new RecordingLogger();
  const server = await claimAdminSocket(path, logger, new ManualTimers());
  server.serve(async () => ({ success: true, pid }));
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= server.stop();
    return stopped;
  };
  onCleanup(stop);
  return { logger, stop };
}

async function refused(path: string): Promise<string> {
  const error = await claim(path).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(AdminSocketError);
  const { message } = error as AdminSocketError;
  expect(message).not.toContain('\n');
  expect(message).toStartWith(`admin socket ${path}`);
  return message;
}

async function answers(path: string): Promise<unknown> {
  const client = await RawAdminClient.open(path);
  const { pid } = await client.ask({});
  client.close();
  return pid;
}

/** A process of another program that holds a Unix socket. `python` is run after bind and, unless it is a datagram socket, listen(0). */
async function holder(path: string, kind: 'STREAM' | 'DGRAM' | 'SEQPACKET' = 'STREAM'): Promise<SpawnedProcess> {
  const listen = kind === 'DGRAM' ? '' : 's.listen(0);';
  const script = `import socket,sys,time; s=socket.socket(socket.AF_UNIX, socket.SOCK_${kind}); s.bind(sys.argv[1]); ${listen} print('up', flush=True); time.sleep(600)`;
  const process = spawnProcess('python3', ['-c', script, path]);
  await process.line(/up/, 30_000);
  return process;
}

const descriptors = () => readdirSync('/proc/self/fd').length;

async function end(process: SpawnedProcess): Promise<void> {
  process.kill('SIGKILL');
  await process.exited;
}

describe('a socket that a process may hold', () => {
  test('is kept when a sidecar listens; the error has its pid', async () => {
    const path = newPath();
    await claim(path);
    expect(await refused(path)).toBe(
      `admin socket ${path} is in use by pid 4711. Stop that process, or set SBC_SOCKET_PATH to another path`,
    );
    expect(await answers(path)).toBe(4711);
  });

  test.each([
    ['answers without a pid', '{"success":false}\n'],
    ['closes the connection', ''],
  ])('is kept when a process listens that %s', async (_what, reply) => {
    const peer = await AdminPeer.start(() => reply);
    expect(await refused(peer.path)).toContain(' is in use by another process. ');
    expect(existsSync(peer.path)).toBe(true);
  });

  test('its process is asked over a connection that ends with the answer', async () => {
    const path = newPath();
    const closed = Promise.withResolvers<void>();
    const server = Bun.listen({
      unix: path,
      socket: { data: (socket) => void socket.write('{"pid":4711}\n'), close: () => closed.resolve() },
    });
    expect(await ownerOf(path)).toBe('pid 4711');
    await within(closed.promise, 20_000, 'close');
    server.stop(true);
  });

  test('is kept where the kernel cannot be asked', async () => {
    const path = newPath();
    await end(await holder(path));
    const { platform } = process;
    Object.defineProperty(process, 'platform', { value: 'plan9' });
    try {
      expect(isDead(path)).toBe(false);
    } finally {
      Object.defineProperty(process, 'platform', { value: platform });
    }
  });

  test('is asked without leaving a descriptor open', async () => {
    const path = newPath();
    await end(await holder(path));
    isDead(path);
    const before = descriptors();
    for (let i = 0; i < 20; i++) isDead(path);
    expect(descriptors()).toBeLessThan(before + 20);
  });

  test('is kept when a process hangs, even when it accepts no further connection', async () => {
    const path = newPath();
    const process = await holder(path);
    const first = await RawAdminClient.open(path);
    expect(isDead(path)).toBe(false);
    const { ino } = lstatSync(path);
    expect(await refused(path)).toContain(' is in use by another process. ');
    expect(lstatSync(path).ino).toBe(ino);
    first.close();
    await end(process);
    await claim(path);
  });

  test.each(['DGRAM', 'SEQPACKET'] as const)('is kept when it is of type %s', async (kind) => {
    const path = newPath();
    const process = await holder(path, kind);
    expect(await refused(path)).toContain(' is in use by another process. ');
    expect(existsSync(path)).toBe(true);
    await end(process);
  });

  test('is replaced when its process has died', async () => {
    const path = newPath();
    await end(await holder(path));
    expect(isDead(path)).toBe(true);
    const { logger } = await claim(path);
    expect(logger.lines[0]?.message).toBe('replaced an admin socket that a dead process left');
    expect(await answers(path)).toBe(4711);
  });

  test('is in use as long as its sidecar runs, even when the file is gone', async () => {
    const path = newPath();
    const { stop } = await claim(path);
    unlinkSync(path);
    expect(await refused(path)).toContain(' is in use by another process. ');
    await stop();
    await claim(path);
  });

  test('a lock that was removed does not make a socket dead', async () => {
    const path = newPath();
    await claim(path);
    unlinkSync(`${path}.lock`);
    expect(await refused(path)).toContain(' is in use by pid 4711. ');
    expect(await answers(path)).toBe(4711);
  });
});

describe('sidecars that start at once', () => {
  test.each([false, true])('exactly one gets the path; a dead process had left a socket: %p', async (leftover) => {
    const path = newPath();
    if (leftover) await end(await holder(path));
    const results = await Promise.allSettled([1, 2, 3, 4, 5].map((pid) => claim(path, pid)));
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(1);
    expect(await answers(path)).toBe(results.findIndex(({ status }) => status === 'fulfilled') + 1);
    expect(readdirSync(dirname(path)).toSorted()).toEqual(['admin.sock', 'admin.sock.lock']);
  });

  test('a file that appears after the claim is not overwritten', async () => {
    const path = newPath();
    const claimed = await claimSocketPath(path);
    writeFileSync(claimed.temporaryPath, 'ours');
    writeFileSync(path, 'precious');
    expect(() => claimed.publish()).toThrow('EEXIST');
    claimed.release();
    expect(await Bun.file(path).text()).toBe('precious');
    expect(readdirSync(dirname(path))).toEqual(['admin.sock']);
  });
});

test('a claim that fails after the lock leaves neither lock nor listener', async () => {
  const path = newPath();
  const before = descriptors();
  // It is called between the look at the path and the listening.
  const name = spyOn(crypto, 'randomUUID').mockImplementation(() => {
    writeFileSync(path, 'precious');
    return '00000000-0000-4000-8000-000000000000';
  });
  try {
    for (let i = 0; i < 100; i++) {
      await expect(claim(path)).rejects.toThrow(new AdminSocketError(path, ': EEXIST'));
      expect(readdirSync(dirname(path))).toEqual(['admin.sock']);
      unlinkSync(path);
    }
  } finally {
    name.mockRestore();
  }
  await eventually('descriptors are closed', () => descriptors() < before + 50 || undefined);
});

describe('at the stop', () => {
  test('socket and lock are removed', async () => {
    const path = newPath();
    const { stop } = await claim(path);
    await stop();
    expect(readdirSync(dirname(path))).toEqual([]);
  });

  test.each([
    ['a file', (path: string) => writeFileSync(path, 'precious')],
    ['a directory', (path: string) => mkdirSync(path)],
    ['another socket', (path: string) => renameSync(`${path}.other`, path)],
  ])('%s in the place of the socket is kept', async (_what, put) => {
    const path = newPath();
    const { stop, logger } = await claim(path);
    const other = Bun.listen({ unix: `${path}.other`, socket: { data: () => {} } });
    unlinkSync(path);
    put(path);
    const { ino } = lstatSync(path);
    await stop();
    expect(lstatSync(path).ino).toBe(ino);
    expect(logger.lines).toEqual([]);
    other.stop(true);
  });

  test('a socket that cannot be removed is a warning', async () => {
    const path = newPath();
    const { stop, logger } = await claim(path);
    // Looking up anything in the directory now fails with ELOOP.
    renameSync(dirname(path), `${dirname(path)}.away`);
    symlinkSync(dirname(path), dirname(path));
    await stop();
    unlinkSync(dirname(path));
    renameSync(`${dirname(path)}.away`, dirname(path));
    expect(logger.lines).toEqual([
      expect.objectContaining({ level: 'warn', message: 'the admin socket was not removed' }),
    ]);
  });
});

describe('a path that cannot be used', () => {
  test.each([
    ['a regular file', (path: string) => writeFileSync(path, 'precious')],
    ['a directory', (path: string) => mkdirSync(path)],
    ['a symbolic link', (path: string) => symlinkSync('nowhere', path)],
    [
      'a symbolic link',
      (path: string) => {
        writeFileSync(`${path}.target`, 'precious');
        symlinkSync(`${path}.target`, path);
      },
    ],
    ['a symbolic link', (path: string) => symlinkSync('/dev/log', path)],
  ])('%s is kept', async (kind, put) => {
    const path = newPath();
    put(path);
    const { ino } = lstatSync(path);
    expect(await refused(path)).toBe(
      `admin socket ${path}: ${path} is ${kind}, which we do not touch. Move it away, or set SBC_SOCKET_PATH to another path`,
    );
    expect(lstatSync(path).ino).toBe(ino);
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  test('a file of another kind in the place of the lock is kept', async () => {
    const path = newPath();
    symlinkSync('elsewhere', `${path}.lock`);
    expect(await refused(path)).toContain(`${path}.lock is a symbolic link, which we do not touch`);
    expect(readdirSync(dirname(path))).toEqual(['admin.sock.lock']);
  });

  test.each(['', '.lock'])('a dead socket%s of another user is kept', async (suffix) => {
    const path = newPath();
    if (suffix) writeFileSync(`${path}${suffix}`, '');
    else await end(await holder(path));
    const { uid } = lstatSync(`${path}${suffix}`);
    const error = await claimSocketPath(path, 4711).catch((e: unknown) => e);
    expect(String(error)).toContain(`: ${path}${suffix} belongs to `);
    expect(String(error)).toContain(
      `(uid ${uid}), and we are uid 4711. If no sidecar of that user runs, rm -f ${path} ${path}.lock; or `,
    );
    expect(existsSync(`${path}${suffix}`)).toBe(true);
  });

  test('without its directory', async () => {
    expect(await refused('/nonexistent/a/admin.sock')).toBe(
      'admin socket /nonexistent/a/admin.sock: there is no directory /nonexistent/a. Create it (mkdir -p /nonexistent/a), or set SBC_SOCKET_PATH to another path',
    );
  });

  test('below a file', async () => {
    const path = newPath();
    writeFileSync(path, '');
    expect(await refused(`${path}/admin.sock`)).toContain(`: ${path} is a regular file, no directory. `);
  });

  test('in a directory where no file can be created', async () => {
    expect(await refused('/proc/admin.sock')).toMatch(/: .*\(uid \d+\) cannot create files in \/proc \(E[A-Z]+\)\. /);
  });

  test('at 108 bytes; 107 bytes are accepted, however long its last part', async () => {
    const directory = temporaryDirectory('admin');
    const long = (bytes: number) => `${directory}/${'é'.repeat(20)}${'x'.repeat(bytes - directory.length - 41)}`;
    expect(await refused(long(108))).toContain(': the path is over 107 bytes. ');
    await claim(long(107));
    expect(await answers(long(107))).toBe(4711);
    const deep = `${directory}/${'d'.repeat(107 - directory.length - 3)}`;
    mkdirSync(deep);
    await claim(`${deep}/s`);
    expect(await answers(`${deep}/s`)).toBe(4711);
  });

  test('control characters of the path are not in the message', async () => {
    const error = await claim('/none\x1b[2J\u202e/x').catch((e: unknown) => e);
    expect(String(error)).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test('our own socket may be unreadable: its mode does not make it dead', async () => {
    const path = newPath();
    const process = await holder(path);
    chmodSync(path, 0);
    expect(isDead(path)).toBe(false);
    await end(process);
  });
});

test('a temporary name that reads as a number is a path all the same', async () => {
  const before = process.cwd();
  const uuid = spyOn(crypto, 'randomUUID').mockReturnValue('12345678-0000-4000-8000-000000000000');
  process.chdir(temporaryDirectory('admin'));
  try {
    const { stop } = await claim('admin.sock');
    expect(lstatSync('admin.sock').isSocket()).toBe(true);
    await stop();
  } finally {
    process.chdir(before);
    uuid.mockRestore();
  }
});
