import { describe, expect, test } from 'bun:test';
import { VERSION } from '../../src/lib/version.ts';
import { run } from './cli.ts';

const NOWHERE = '/nowhere/admin.sock';
const cli = (line: string) => run(NOWHERE, line.split(' '));

describe('help', () => {
  test.each([
    ['help', '--help'],
    ['help fs', 'fs --help'],
    ['help fs drain', 'fs drain --help'],
    ['help help', 'help --help'],
  ])('%s prints what %s prints', async (help, flag) => {
    const shown = await cli(help);
    expect(shown).toEqual(await cli(flag));
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining('USAGE'), stderr: '' });
  });

  test('with --json is one document', async () => {
    const { stdout: usage } = await cli('help fs drain');
    for (const line of ['help fs drain --json', 'fs drain --help --json'])
      expect(JSON.parse((await cli(line)).stdout)).toEqual({ success: true, usage });
  });
});

describe('version', () => {
  test('--version is the version alone', async () => {
    expect(await cli('--version')).toEqual({ code: 0, stdout: VERSION, stderr: '' });
    expect(JSON.parse((await cli('--version --json')).stdout)).toEqual({ success: true, version: VERSION });
  });

  test('has the commit, its date and the version of Bun', async () => {
    const { code, stdout } = await cli('version --json');
    expect(code).toBe(0);
    const version = JSON.parse(stdout);
    expect(version).toEqual({
      success: true,
      version: VERSION,
      commit: expect.stringMatching(/^([0-9a-f]{12}(-dirty)?|unknown)$/),
      built: expect.stringMatching(/^(\d{4}-\d\d-\d\d|unknown)$/),
      bun: Bun.version,
    });
    expect((await cli('version')).stdout.split('\n')).toEqual([
      `Version:  ${VERSION}`,
      `Commit:   ${version.commit}`,
      `Built:    ${version.built}`,
      `Bun:      ${Bun.version}`,
    ]);
  });
});
