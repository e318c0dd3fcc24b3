import { describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { sidecarBinary } from '../support/binary.ts';
import { onCleanup, temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { headerOf, registerOnce } from '../support/phone.ts';
import { spawnProcess } from '../support/process.ts';
import { cli, fileWith, startEmbedded } from './sidecar.ts';

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;
const PRIVILEGED_PORT = 506;
/** Containers may lower it. */
const FIRST_UNPRIVILEGED_PORT = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
const ACCOUNT = `
[[account]]
realm = "data.example.com"
[[account.client]]
username = "alice"
password = "wonderland"
`;
const ALICE = { user: 'alice', password: 'wonderland', realm: 'data.example.com' };

/** What a shell prints of a `serve` that cannot start: stdout and stderr are one pipe. */
async function serveIn(data: string, { prefix = '', args = '', env = {} as Record<string, string> } = {}) {
  const command = `${prefix} timeout -s KILL 25 ${await sidecarBinary()} serve --embedded --sip udp/127.0.0.1:0 --data '${data}' ${args} 2>&1 | cat; exit \${PIPESTATUS[0]}`;
  const cwd = temporaryDirectory('refused');
  chmodSync(cwd, 0o777);
  const shell = spawnProcess('bash', ['-c', command], {
    env: { SBC_SOCKET_PATH: join(cwd, 'admin.sock'), ...env },
    cwd,
  });
  const { code } = await within(shell.exited, 30_000, 'end of serve');
  const text = shell.lines.filter((line) => !/^\{"level":[123]0,/.test(line)).join('\n');
  return { code, text };
}

function dataDirectory(): string {
  const path = join(temporaryDirectory('data'), 'data');
  mkdirSync(path, { mode: 0o700 });
  return path;
}

/** A file system of 1 MB in memory; undefined where it cannot be mounted. */
function smallDisk(): string | undefined {
  const path = dataDirectory();
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'tmpfs', path]);
  if (status !== 0) return undefined;
  onCleanup(() => void spawnSync('umount', ['-l', path]));
  return path;
}

function fill(disk: string): void {
  const file = openSync(join(disk, 'ballast'), 'w');
  try {
    // Twice the size of the disk.
    for (let i = 0; i < 512; i++) writeSync(file, Buffer.alloc(4096));
    throw new Error(`${disk} is not a small disk`);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' });
  } finally {
    closeSync(file);
  }
}

function replaceBy(path: string, make: () => void): void {
  rmSync(path, { recursive: true });
  make();
}

describe('serve reports in one line, on a pipe too, with path, user, remedy and exit code', () => {
  test.each<[string, number, (path: string) => void, RegExp]>([
    ['a missing parent', 2, (path) => rmSync(path, { recursive: true }), /does not exist; type mkdir -p \//],
    ['a file in its place', 2, (path) => replaceBy(path, () => writeFileSync(path, '')), /is not a directory/],
    ['a directory open to others', 2, (path) => chmodSync(path, 0o755), /\(mode 0755\); type chmod 0700 \//],
    ['a symbolic link', 2, (path) => replaceBy(path, () => symlinkSync('/tmp', path)), /is a symbolic link/],
    ['a linked database', 2, (path) => symlinkSync('/etc/hostname', join(path, 'sidecar.db')), /not a regular file/],
    [
      'a corrupt database',
      2,
      (path) => writeFileSync(join(path, 'sidecar.db'), 'x'.repeat(8192)),
      /corrupt; .*type mv /,
    ],
  ])('%s', async (what, expected, spoil, message) => {
    const data = what === 'a missing parent' ? join(dataDirectory(), 'data') : dataDirectory();
    spoil(what === 'a missing parent' ? join(data, '..') : data);
    const { code, text } = await serveIn(data);
    expect(text).toMatch(message);
    expect(text).toMatch(/^data directory \/.*, user \S+: [^\n]*$/);
    expect(code).toBe(expected);
  });

  test('a limit on the size of files, as on a full disk', async () => {
    const { code, text } = await serveIn(dataDirectory(), { prefix: 'ulimit -f 20; exec' });
    expect(text).toMatch(/^data directory \/.*, user \S+: the disk is full; free some space$/);
    expect(code).toBe(1);
  });

  test.skipIf(!isRoot)('a directory that another user owns, may not write to, or may not create', async () => {
    const prefix = `exec setpriv --reuid ${NOBODY} --regid ${NOBODY} --clear-groups`;
    const parent = temporaryDirectory('data');
    chmodSync(parent, 0o755);
    const foreign = await serveIn(dataDirectory(), { prefix });
    expect(foreign.text).toMatch(/, user nobody: (is not writable|belongs to another user)/);
    const missing = await serveIn(join(parent, 'new'), { prefix });
    expect(missing.text).toContain(`is not writable; type mkdir -p ${join(parent, 'new')} && chown -R ${NOBODY}`);
    expect([foreign.code, missing.code]).toEqual([2, 2]);
  });

  test.skipIf(!isRoot || FIRST_UNPRIVILEGED_PORT <= PRIVILEGED_PORT)(
    'a port that is not permitted, naming the capability',
    async () => {
      const data = dataDirectory();
      const prefix = `chown ${NOBODY} '${data}'; chmod 0755 '${join(data, '..')}'; setpriv --reuid ${NOBODY} --clear-groups`;
      for (const proto of ['udp', 'tcp']) {
        const { code, text } = await serveIn(data, { prefix, args: `--sip ${proto}/127.0.0.1:${PRIVILEGED_PORT}` });
        expect(text).toMatch(
          new RegExp(`^${proto}/127\\.0\\.0\\.1:506 is not permitted: .* need CAP_NET_BIND_SERVICE, .*user nobody`),
        );
        expect(text).toContain(`type setcap cap_net_bind_service=+ep ${await sidecarBinary()}`);
        expect(code).toBe(1);
      }
    },
  );

  test('another sidecar that has it, by its pid; a dead one has not', async () => {
    const data = join(temporaryDirectory('data'), 'data');
    const first = await startEmbedded({ args: ['--data', data] });
    expect(statSync(data).mode & 0o777).toBe(0o700);
    const { code, text } = await serveIn(data);
    expect(text).toContain(`is used by another sidecar (pid ${first.process.pid}); stop that one`);
    expect(code).toBe(1);
    first.process.kill('SIGKILL');
    await first.process.exited;
    expect(await (await startEmbedded({ args: ['--data', data] })).stop()).toBe(0);
  });

  test('passwords under a key that is not given', async () => {
    const data = dataDirectory();
    const env = { ENCRYPTION_SECRET: 'the right key' };
    expect(await (await startEmbedded({ args: ['--data', data], env })).stop()).toBe(0);
    const missing = await serveIn(data);
    expect(missing.text).toMatch(
      /: its passwords are encrypted with an ENCRYPTION_SECRET, which is missing; give that one/,
    );
    const wrong = await serveIn(data, { env: { ENCRYPTION_SECRET: 'another key' } });
    expect(wrong.text).toMatch(/: its passwords are encrypted with another ENCRYPTION_SECRET; give that one/);
    expect([missing.code, wrong.code]).toEqual([2, 2]);
  });
});

test('the demo account works on when ENCRYPTION_SECRET is given later', async () => {
  const args = ['--data', dataDirectory()];
  const demo = async (env: Record<string, string>) => {
    const { process, sip, stop } = await startEmbedded({ args, env });
    const [, realm = '', password = ''] = await process.line(/sip:demo@(\S+) {2}password (\S+)/, 30_000);
    expect((await registerOnce(sip, { user: 'demo', password, realm })).status).toBe(200);
    expect(await stop()).toBe(0);
    return password;
  };
  const password = await demo({});
  expect(await demo({ ENCRYPTION_SECRET: 'a later key' })).toBe(password);
  expect(await demo({ JWT_SECRET: 'a later key' })).toBe(password);
});

describe('a disk that fills up', () => {
  const disk = smallDisk();

  test.skipIf(disk === undefined)(
    'is a 503 for phones, a refusal for reload, and no start; with space again all is well',
    async () => {
      const data = disk ?? '';
      const provision = await fileWith('p.toml', ACCOUNT);
      const args = ['--data', data, '--provision', provision];
      const sidecar = await startEmbedded({ args });
      expect((await registerOnce(sidecar.sip, ALICE)).status).toBe(200);
      fill(data);
      const statuses = new Set<number>();
      for (let i = 0; i < 20; i++) {
        const answer = await registerOnce(sidecar.sip, ALICE);
        statuses.add(answer.status);
        if (answer.status === 503) expect(headerOf(answer, 'Retry-After')).toBeDefined();
      }
      expect(statuses.has(503)).toBe(true);
      const reload = await cli(sidecar, 'reload');
      expect(reload).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('the disk is full; free some space; the old state stays'),
      });

      rmSync(join(data, 'ballast'));
      expect((await registerOnce(sidecar.sip, ALICE)).status).toBe(200);
      expect((await cli(sidecar, 'reload')).code).toBe(0);

      // Without the log, which a start would empty to make room.
      expect(await sidecar.stop()).toBe(0);
      fill(data);
      const { code, text } = await serveIn(data, { args: `--provision ${provision}` });
      expect(text).toMatch(/^data directory \/.*: the disk is full; free some space$/);
      expect(code).toBe(1);
    },
  );

  test.skipIf(disk === undefined)('a read-only file system is one line', async () => {
    const data = smallDisk() ?? '';
    spawnSync('mount', ['-o', 'remount,ro', data]);
    const { code, text } = await serveIn(data);
    expect(text).toMatch(
      /^data directory \/.*: is on a read-only file system, .*; name another directory with --data$/,
    );
    expect(code).toBe(2);
  });
});

test('a database that is damaged under a sidecar does not end it', async () => {
  const data = dataDirectory();
  const sidecar = await startEmbedded({ args: ['--data', data, '--provision', await fileWith('p.toml', ACCOUNT)] });
  expect((await registerOnce(sidecar.sip, ALICE)).status).toBe(200);
  const file = openSync(join(data, 'sidecar.db-wal'), 'r+');
  // Every page that has been written since the start is in this log.
  writeSync(file, Buffer.alloc(statSync(join(data, 'sidecar.db-wal')).size - 32, 0xee), 0, undefined, 32);
  closeSync(file);
  for (let i = 0; i < 5; i++) await registerOnce(sidecar.sip, { ...ALICE, user: `stranger${i}` });
  expect([200, 503]).toContain((await registerOnce(sidecar.sip, ALICE)).status);
  expect(await sidecar.stop()).toBe(0);
});

describe('reload', () => {
  test('says what has changed, in its answer and in the log', async () => {
    const path = await fileWith('p.toml', ACCOUNT);
    const sidecar = await startEmbedded({ args: ['--provision', path] });
    await Bun.write(path, `${ACCOUNT}[[account]]\nrealm = "second.example.com"`);
    const { code, stdout } = await cli(sidecar, 'reload');
    expect(code).toBe(0);
    expect(stdout).toContain('accounts 1 → 2, clients 1');
    await sidecar.process.line(/"msg":"reloaded"/, 30_000);
    expect(sidecar.process.stdout.join('\n')).toContain('accounts 1 → 2, clients 1');
  });

  test('names every error of a file, in one line', async () => {
    const path = await fileWith('p.toml', ACCOUNT);
    const sidecar = await startEmbedded({ args: ['--provision', path] });
    await Bun.write(path, `${ACCOUNT}x = 1\ny = 2\n"\\u001b[31m" = 3`);
    const { code, stderr } = await cli(sidecar, 'reload');
    expect(stderr.split('; ')).toEqual([
      `${path}:7: account[1].client[1].x is not known here`,
      `${path}:8: account[1].client[1].y is not known here`,
      `${path}:9: account[1].client[1]."\\u001b[31m" is not known here`,
      'the old state stays',
    ]);
    expect(code).toBe(1);
  });

  test.each(['', '# truncated\n', '"a(b" = 1', '"\\u001b[31m" = 1\n"*" = 2\n__proto__ = 3', '[[account]]\n"[" = [['])(
    'by command and by SIGHUP keeps the old state, and the process, with the file %j',
    async (text) => {
      const path = await fileWith('p.toml', ACCOUNT);
      const sidecar = await startEmbedded({ args: ['--provision', path] });
      await Bun.write(path, text);
      sidecar.process.kill('SIGHUP');
      await sidecar.process.line(/not reloaded, the old state stays/, 30_000);
      const { code, stderr } = await cli(sidecar, 'reload');
      expect(code).toBe(1);
      expect(stderr).toContain(path);
      expect((await registerOnce(sidecar.sip, ALICE)).status).toBe(200);
      expect(await sidecar.stop()).toBe(0);
    },
  );
});
