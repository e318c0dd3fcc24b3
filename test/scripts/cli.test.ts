import { describe, expect, test } from 'bun:test';
import { commandNamed, flagsTakenByNpm } from '../../scripts/npm-flags.ts';
import { commandTree } from '../../src/commands/completion/tree.ts';
import { root } from '../../src/commands/root.ts';
import { AdminPeer, serverList } from '../support/admin-peer.ts';
import { onCleanup } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { spawnProcess } from '../support/process.ts';

const CWD = new URL('../../', import.meta.url).pathname;
const DEADLINE_MS = 30_000;
const DRAINED = { success: true, action: 'drain', server: '10.0.0.1', drained: ['10.0.0.1'] };

/** Runs `npm run cli …` of the npm at hand against this admin socket. */
async function npmRunCli(socket: string, ...args: readonly string[]) {
  const npm = spawnProcess('npm', ['run', 'cli', ...args], { cwd: CWD, env: { SBC_SOCKET_PATH: socket } });
  onCleanup(() => npm.kill('SIGKILL'));
  const { code } = await within(npm.exited, DEADLINE_MS, 'end of npm');
  return { code, stdout: npm.stdout.join('\n'), stderr: npm.stderr.join('\n') };
}

/** A sidecar whose drained server is not checking in, so that waiting for it ends at once. */
const sidecar = () =>
  AdminPeer.start(({ action }) =>
    action === 'fs-drain' ? DRAINED : serverList({ server: '10.0.0.1', status: 'orphaned', lastCheckIn: null }),
  );

async function npmMajor(): Promise<number> {
  const npm = spawnProcess('npm', ['--version'], { cwd: CWD });
  await within(npm.exited, DEADLINE_MS, 'version of npm');
  return Number.parseInt(npm.stdout[0] ?? '', 10);
}

describe('npm run cli', () => {
  test('keeps a flag, or npm itself refuses it', async () => {
    const peer = await sidecar();
    const { code, stdout, stderr } = await npmRunCli(peer.path, 'fs', 'drain', '10.0.0.1', '--wait');
    if ((await npmMajor()) < 12) {
      expect(stdout).toContain('10.0.0.1 is not checking in');
      expect(code).toBe(0);
    } else {
      expect(stderr).toContain('--wait');
      expect(code).not.toBe(0);
      expect(peer.asked).toEqual([]);
    }
  });

  test('keeps a flag that npm has too', async () => {
    const peer = await sidecar();
    const { stdout } = await npmRunCli(peer.path, 'fs', 'drain', '10.0.0.1', '--json');
    expect(stdout).toContain(JSON.stringify(DRAINED));
  });

  test('passes everything on that follows --', async () => {
    const peer = await sidecar();
    const args = ['--', 'fs', 'drain', '10.0.0.1', '--wait', '--timeout', '5m', '--force'];
    const { code, stdout } = await npmRunCli(peer.path, ...args);
    expect(stdout).toContain('10.0.0.1 is not checking in');
    expect(peer.asked[0]).toEqual({ action: 'fs-drain', server: '10.0.0.1', force: true });
    expect(code).toBe(0);
  });

  test('never drains with force for a flag that npm has taken', async () => {
    const peer = await sidecar();
    const { stderr } = await npmRunCli(peer.path, 'fs', 'drain', '10.0.0.1', '--force');
    expect(peer.asked[0]).toEqual({ action: 'fs-drain', server: '10.0.0.1', force: false });
    expect(stderr).toContain(
      'ignoring --force, which npm has taken; put -- before the command: npm run cli -- fs drain',
    );
  });

  test('does nothing when npm 10 or 11 has taken a value for an argument', async () => {
    const peer = await sidecar();
    const { code } = await npmRunCli(peer.path, 'fs', 'drain', '10.0.0.1', '--wait', '--timeout', '5m');
    expect(code).not.toBe(0);
    expect(peer.asked).toEqual([]);
  });
});

describe('flags that npm has taken', async () => {
  const tree = await commandTree(root);
  const taken = (args: readonly string[], env: Record<string, string>) =>
    flagsTakenByNpm(commandNamed(tree, args), env);

  test('are restored with their values', () => {
    const env = { npm_config_embedded: 'true', npm_config_tls_cert: 'a.pem', npm_config_tls_key: 'a.key' };
    const flags = ['--embedded', '--tls-cert=a.pem', '--tls-key=a.key'];
    expect(taken(['serve'], env)).toEqual({ flags, lost: [], ignored: [] });
  });

  test('are restored only to a command that has them', () => {
    const env = { npm_config_wait: 'true', npm_config_timeout: '5m' };
    expect(taken(['fs', 'list'], env).flags).toEqual([]);
    expect(taken(['fs', 'undrain', '10.0.0.1'], env).flags).toEqual([]);
  });

  test('--no-wait is no --wait', () => {
    expect(taken(['fs', 'drain'], { npm_config_wait: '' }).flags).toEqual([]);
    expect(taken(['fs', 'drain'], { npm_config_wait: 'false' }).flags).toEqual([]);
  });

  test('a value that npm has left among the arguments is lost', () => {
    expect(taken(['fs', 'drain', '5m', '10.0.0.1'], { npm_config_timeout: 'true' }).lost).toEqual(['--timeout']);
  });
});
