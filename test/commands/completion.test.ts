import { describe, expect, test } from 'bun:test';
import { which } from 'bun';
import { fileWith } from '../e2e/sidecar.ts';
import { spawnProcess } from '../support/process.ts';
import { ended, run } from './cli.ts';

const NOWHERE = '/nowhere/admin.sock';

async function script(shell: string): Promise<string> {
  const { code, stdout, stderr } = await run(NOWHERE, ['completion', shell]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return fileWith(`completion.${shell}`, `${stdout}\n`);
}

/** What bash offers at the end of this line. */
async function offered(file: string, line: string): Promise<string[]> {
  const words = line.split(' ');
  const asked = `source ${file}; COMP_WORDS=(${words.map((w) => `'${w}'`).join(' ')}); COMP_CWORD=${words.length - 1}
_sbc_sip_sidecar && printf '%s\\n' "\${COMPREPLY[@]}"; complete -p sbc-sip-sidecar >&2`;
  const { stdout, stderr } = await ended(spawnProcess('bash', ['--norc', '-c', asked]));
  expect(stderr).toBe('complete -F _sbc_sip_sidecar sbc-sip-sidecar');
  return stdout.split('\n');
}

test('bash offers commands, flags, and files', async () => {
  const file = await script('bash');
  const commands = ['serve', 'status', 'fs', 'set', 'get', 'list', 'reload', 'completion', '--help'];
  expect(await offered(file, 'sbc-sip-sidecar ')).toEqual(commands);
  expect(await offered(file, 'sbc-sip-sidecar s')).toEqual(['serve', 'status', 'set']);
  expect(await offered(file, 'sbc-sip-sidecar fs d')).toEqual(['drain', 'drained']);
  expect(await offered(file, 'sbc-sip-sidecar fs drain --')).toEqual(['--wait', '--timeout', '--json', '--help']);
  expect(await offered(file, 'sbc-sip-sidecar fs drain 10.0.0.1 --wait --t')).toEqual(['--timeout']);
  expect(await offered(file, 'sbc-sip-sidecar fs drain 10.0.0.1 --timeout ')).toEqual(['']);
  expect(await offered(file, 'sbc-sip-sidecar list --')).toEqual(['--json', '--help']);
  expect(await offered(file, 'sbc-sip-sidecar completion ')).toEqual(['bash', 'zsh', 'fish', '--help']);
  const toml = await fileWith('accounts.toml', '');
  const begun = toml.slice(0, -4);
  expect(await offered(file, `sbc-sip-sidecar serve --provision ${begun}`)).toEqual([toml]);
  expect(await offered(file, `sbc-sip-sidecar serve --data ${begun}`)).toEqual(['']);
});

describe.each(['bash', 'zsh', 'fish'])('%s', (shell) => {
  test('names every command', async () => {
    const text = await Bun.file(await script(shell)).text();
    for (const word of ['serve', 'undrain', 'watch', 'timeout', 'completion']) expect(text).toContain(word);
  });

  test.if(which(shell) !== null)('can read its script', async () => {
    const check = spawnProcess(shell, ['-n', await script(shell)]);
    expect(await ended(check)).toEqual({ code: 0, stdout: '', stderr: '' });
  });
});
