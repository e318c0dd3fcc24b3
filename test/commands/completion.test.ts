import { describe, expect, test } from 'bun:test';
import { fileWith } from '../e2e/sidecar.ts';
import { AdminPeer, serverList, trunkList } from '../support/admin-peer.ts';
import { spawnProcess } from '../support/process.ts';
import { ended, run } from './cli.ts';
import { bashOffers, fishOffers, onPath, zshOffers } from './shells.ts';

const NOWHERE = '/nowhere/admin.sock';
const COMMANDS = [
  ...[
    'serve',
    'status',
    'reg',
    'events',
    'fs',
    'trunk',
    'gateway',
    'ban',
    'log',
    'config',
    'set',
    'get',
    'list',
    'reload',
  ],
  ...['version', 'help', 'completion'],
];
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

async function script(shell: string): Promise<string> {
  const { code, stdout, stderr } = await run(NOWHERE, ['completion', shell]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return fileWith(`completion.${shell}`, `${stdout}\n`);
}

test('bash completes commands, flags and files', async () => {
  const file = await script('bash');
  const offered = (line: string) => bashOffers(file, `sbc-sip-sidecar ${line}`);
  expect(await offered('')).toEqual([...COMMANDS, '--help']);
  expect(await offered('s')).toEqual(['serve', 'status', 'set']);
  expect(await offered('fs d')).toEqual(['drain', 'drained']);
  expect(await offered('fs drain --')).toEqual(['--force', '--wait', '--timeout', '--json', '--help']);
  expect(await offered('fs drain 10.0.0.1 --wait --t')).toEqual(['--timeout']);
  expect(await offered('fs drain 10.0.0.1 --timeout ')).toEqual([]);
  expect(await offered('trunk ')).toEqual(['list', 'show', 'refresh', '--help']);
  expect(await offered('help fs d')).toEqual(['drain', 'drained']);
  expect(await offered('log level ')).toEqual(['--json', '--help', ...LEVELS]);
  expect(await offered('reg list --transport t')).toEqual(['tcp', 'tls']);
  expect(await offered('log level --json w')).toEqual(['warn']);
  expect(await offered('log level warn ')).toEqual(['--json', '--help']);
  expect(await offered('list --')).toEqual(['--json', '--help']);
  expect(await offered('completion ')).toEqual(['bash', 'zsh', 'fish', '--help']);
  const toml = await fileWith('accounts.toml', '');
  const begun = toml.slice(0, -4);
  expect(await offered(`serve --provision ${begun}`)).toEqual([toml]);
  expect(await offered(`serve --tls-key x.pem,${begun}`)).toEqual([`x.pem,${toml}`]);
  expect(await offered(`serve --data ${begun}`)).toEqual([]);
});

test('fish completes commands, flags and files', async () => {
  const file = await script('fish');
  const words = async (line: string) =>
    (await fishOffers(file, `sbc-sip-sidecar ${line}`)).map((offer) => offer.split('\t')[0]);
  expect(await words('')).toEqual(COMMANDS.toSorted());
  expect(await words('fs d')).toEqual(['drain', 'drained']);
  expect(await fishOffers(file, 'sbc-sip-sidecar completion z')).toEqual([
    'zsh\tPrint a script that completes commands and flags in zsh',
  ]);
  expect(await words('fs drain 10.0.0.1 --')).toEqual(['--force', '--help', '--json', '--timeout', '--wait']);
  expect(await words('fs drain 10.0.0.1 --timeout ')).toEqual([]);
  expect(await words('trunk ')).toEqual(['list', 'refresh', 'show']);
  expect(await words('trunk refresh x ')).toEqual([]);
  expect(await words('log level ')).toEqual(LEVELS.toSorted());
  expect(await words('reg count --by u')).toEqual(['user-agent']);
  expect(await words('help fs d')).toEqual(['drain', 'drained']);
  expect(await words('ban ')).toEqual(['clear', 'list']);
  const toml = await fileWith('accounts.toml', '');
  expect(await words(`serve --provision ${toml.slice(0, -4)}`)).toEqual([toml]);
  expect(await words(`serve --tls-cert x.pem,${toml.slice(0, -4)}`)).toEqual([`x.pem,${toml}`]);
});

test('zsh completes commands, flags and files', async () => {
  const expected: Record<string, string[]> = {
    '': COMMANDS.toSorted(),
    'fs d': ['drain', 'drained'],
    'fs drain --': ['--force', '--help', '--json', '--timeout', '--wait'],
    'fs drain 10.0.0.1 --timeout ': [],
    'trunk r': ['refresh'],
    'trunk refresh --j': ['--json'],
    'completion ': ['bash', 'fish', 'zsh'],
    'log level ': LEVELS.toSorted(),
    'help fs un': ['undrain'],
    'reg list --transport ws': ['ws', 'wss'],
    'serve --tls-cert x.pem,acc': ['accounts', 'accounts.toml'],
    'serve --provision acc': ['accounts', 'accounts.toml'],
    'serve --data acc': ['accounts'],
  };
  const lines = Object.keys(expected).map((line) => `sbc-sip-sidecar ${line}`);
  expect(await zshOffers(await script('zsh'), lines)).toEqual(Object.values(expected));
});

test('zsh loads the script from $fpath', async () => {
  expect(await zshOffers(await script('zsh'), ['sbc-sip-sidecar fs un'], 'fpath')).toEqual([['undrain']]);
});

describe('values that the sidecar knows', () => {
  const SERVERS = serverList(
    { calls: 2 },
    { server: '[2001:db8::1]:5060', calls: 0 },
    { server: '10.0.0.2:5060', status: 'drained' },
  );
  const ANSWERS: Readonly<Record<string, object>> = {
    'fs-list': SERVERS,
    'fs-drained': { success: true, drained: ['10.0.0.2'] },
    'trunk-list': trunkList({ gateway: '4e5a-1' }, { gateway: 'b0c9-1', carrier: 'Bell' }),
    'ban-list': { success: true, bans: [{ source: '203.0.113.66', until: 547_000 }], now: 0 },
  };
  const EXPECTED: Readonly<Record<string, string[]>> = {
    'fs drain 1': ['10.0.0.1'],
    'fs drain 2001:db8': ['2001:db8::1'],
    'fs undrain 10': ['10.0.0.2'],
    'trunk show b': ['b0c9-1'],
    'trunk refresh 4': ['4e5a-1'],
    'ban clear 2': ['203.0.113.66'],
    'fs drain 10.0.0.1 1': [],
  };
  const lines = Object.keys(EXPECTED).map((line) => `sbc-sip-sidecar ${line}`);

  async function answering() {
    const peer = await AdminPeer.start(({ action }) => ANSWERS[String(action)]);
    return { peer, env: await onPath(peer.path) };
  }

  test('are completed in bash, which replaces what follows the last colon', async () => {
    const { env } = await answering();
    const file = await script('bash');
    const found = await Promise.all(lines.map((line) => bashOffers(file, line, env)));
    const expected = { ...EXPECTED, 'fs drain 2001:db8': ['db8::1'] };
    expect(found).toEqual(Object.values(expected));
  });

  test('are completed in fish, with what they are', async () => {
    const { env } = await answering();
    const file = await script('fish');
    const found = await Promise.all(lines.map((line) => fishOffers(file, line, env)));
    expect(found.map((offers) => offers.map((offer) => offer.split('\t')[0]))).toEqual(Object.values(EXPECTED));
    expect(found[3]).toEqual(['b0c9-1\tBell']);
    expect(found[0]).toEqual(['10.0.0.1\t2 calls left']);
  });

  test('are completed in zsh', async () => {
    const { env } = await answering();
    expect(await zshOffers(await script('zsh'), lines, 'sourced', env)).toEqual(Object.values(EXPECTED));
  });

  test.each(['active', 'drained', 'trunk', 'banned', 'bogus'])(
    '%s: nothing, without an error, when no sidecar runs',
    async (kind) => {
      expect(await run(NOWHERE, ['__complete', kind, 'x'])).toEqual({ code: 0, stdout: '', stderr: '' });
    },
  );

  test('are none when the sidecar refuses, does not answer or answers nonsense', async () => {
    for (const reply of [{ success: false, error: 'Redis: away' }, undefined, 'SSH-2.0\r\n']) {
      const peer = await AdminPeer.start(() => reply);
      expect(await run(peer.path, ['__complete', 'drained'])).toEqual({ code: 0, stdout: '', stderr: '' });
    }
  });

  test('are at most 200', async () => {
    const many = trunkList(...Array.from({ length: 10_000 }, (_, i) => ({ gateway: `g-${i}` })));
    const peer = await AdminPeer.start(() => many);
    const { stdout } = await run(peer.path, ['__complete', 'trunk', 'g-9']);
    expect(stdout.split('\n')).toHaveLength(200);
  });

  test('the command that finds them is not shown', async () => {
    expect((await run(NOWHERE, ['--help'])).stdout).not.toContain('__complete');
    expect(await Bun.file(await script('fish')).text()).not.toContain('-a __complete');
  });
});

describe.each(['bash', 'zsh', 'fish'])('%s', (shell) => {
  test('the script contains every command', async () => {
    const text = await Bun.file(await script(shell)).text();
    for (const word of [...COMMANDS, 'undrain', 'watch', 'timeout', 'refresh']) expect(text).toContain(word);
  });

  test('the script has no syntax errors', async () => {
    const check = spawnProcess(shell, ['-n', await script(shell)]);
    expect(await ended(check)).toEqual({ code: 0, stdout: '', stderr: '' });
  });
});
