import { describe, expect, test } from 'bun:test';
import { fileWith } from '../e2e/sidecar.ts';
import { spawnProcess } from '../support/process.ts';
import { ended, run } from './cli.ts';
import { bashOffers, fishOffers, zshOffers } from './shells.ts';

const NOWHERE = '/nowhere/admin.sock';
const COMMANDS = [
  'serve',
  'status',
  'reg',
  'events',
  'fs',
  'trunk',
  'gateway',
  'ban',
  'set',
  'get',
  'list',
  'reload',
  'completion',
];

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
  expect(await offered('fs drain --')).toEqual(['--wait', '--timeout', '--json', '--help']);
  expect(await offered('fs drain 10.0.0.1 --wait --t')).toEqual(['--timeout']);
  expect(await offered('fs drain 10.0.0.1 --timeout ')).toEqual([]);
  expect(await offered('trunk ')).toEqual(['list', 'show', 'refresh', '--help']);
  expect(await offered('list --')).toEqual(['--json', '--help']);
  expect(await offered('completion ')).toEqual(['bash', 'zsh', 'fish', '--help']);
  const toml = await fileWith('accounts.toml', '');
  const begun = toml.slice(0, -4);
  expect(await offered(`serve --provision ${begun}`)).toEqual([toml]);
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
  expect(await words('fs drain 10.0.0.1 --')).toEqual(['--help', '--json', '--timeout', '--wait']);
  expect(await words('fs drain 10.0.0.1 --timeout ')).toEqual([]);
  expect(await words('trunk ')).toEqual(['list', 'refresh', 'show']);
  expect(await words('trunk refresh x ')).toEqual([]);
  expect(await words('ban ')).toEqual(['clear', 'list']);
  const toml = await fileWith('accounts.toml', '');
  expect(await words(`serve --provision ${toml.slice(0, -4)}`)).toEqual([toml]);
});

test('zsh completes commands, flags and files', async () => {
  const expected: Record<string, string[]> = {
    '': COMMANDS.toSorted(),
    'fs d': ['drain', 'drained'],
    'fs drain --': ['--help', '--json', '--timeout', '--wait'],
    'fs drain 10.0.0.1 --timeout ': [],
    'trunk r': ['refresh'],
    'trunk refresh --j': ['--json'],
    'completion ': ['bash', 'fish', 'zsh'],
    'serve --provision acc': ['accounts', 'accounts.toml'],
    'serve --data acc': ['accounts'],
  };
  const lines = Object.keys(expected).map((line) => `sbc-sip-sidecar ${line}`);
  expect(await zshOffers(await script('zsh'), lines)).toEqual(Object.values(expected));
});

test('zsh loads the script from $fpath', async () => {
  expect(await zshOffers(await script('zsh'), ['sbc-sip-sidecar fs un'], 'fpath')).toEqual([['undrain']]);
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
