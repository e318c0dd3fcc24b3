import { beforeAll, describe, expect, test } from 'bun:test';
import { chmodSync, copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import manifest from '../../package.json';
import { BUILD_INPUTS } from '../support/binary.ts';
import { temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { type SpawnedProcess, spawnProcess } from '../support/process.ts';
import { directoryForAll, NOBODY, spawnAs } from '../support/users.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const DEADLINE_MS = 120_000;
const STAMP = { GIT_COMMIT: '4f1c2d9be07a', SOURCE_DATE_EPOCH: '1777852800' };
const HOST = `linux-${process.arch}`;
const FOREIGN = process.arch === 'arm64' ? 'linux-x64' : 'linux-arm64';
/** e_machine, elf(5). */
const EM = { 'linux-x64': 62, 'linux-arm64': 183 }[FOREIGN];

interface Component {
  readonly 'bom-ref': string;
  readonly group?: string;
  readonly name: string;
  readonly version?: string;
  readonly purl?: string;
  readonly licenses: readonly object[];
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly components?: readonly Component[];
}

interface Sbom {
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}

let binary: string;
let sbom: Sbom;

beforeAll(async () => {
  binary = join(temporaryDirectory('build'), 'sidecar');
  await succeeded(spawnProcess(process.execPath, ['build.ts', binary], { cwd: ROOT, env: STAMP }));
  sbom = await Bun.file(`${binary}.cdx.json`).json();
});

async function succeeded(started: SpawnedProcess): Promise<SpawnedProcess> {
  const { code } = await within(started.exited, DEADLINE_MS, 'end of a command');
  if (code !== 0) throw new Error(`exit code ${code}:\n${started.lines.join('\n')}`);
  return started;
}

async function output(...args: string[]): Promise<string> {
  return (await succeeded(spawnProcess(binary, args))).stdout.join('\n');
}

/** Of a package with a scope, `@scope/name`. */
function fullName({ group, name }: Pick<Component, 'group' | 'name'>): string {
  return group === undefined ? name : `${group}/${name}`;
}

function sha256(path: string): string {
  return new Bun.CryptoHasher('sha256').update(readFileSync(path)).digest('hex');
}

/** The sources with the packages of the SBOM, and no others. */
function copyOfSources(): string {
  const copy = join(directoryForAll('another folder'), 'deeper');
  mkdirSync(copy);
  chmodSync(copy, 0o777);
  for (const path of BUILD_INPUTS) cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  for (const { 'bom-ref': ref, purl, ...component } of sbom.components.slice(1)) {
    const directory = ref === purl ? `node_modules/${fullName(component)}` : ref.slice(ref.indexOf('#') + 1);
    cpSync(join(ROOT, directory), join(copy, directory), { recursive: true });
  }
  chmodSync(join(copy, 'node_modules'), 0o777);
  copyFileSync(process.execPath, join(copy, 'bun'));
  return copy;
}

test('the same commit gives the same bytes in another folder, by another user, with the packages of the SBOM alone', async () => {
  const copy = copyOfSources();
  const home = directoryForAll('home');
  const env = { ...STAMP, HOME: home, TZ: 'Asia/Tokyo', LANG: 'de_DE.UTF-8' };
  const command = `umask 077 && cd '${copy}' && ./bun build.ts --target ${HOST} --target ${FOREIGN}`;
  await succeeded(spawnAs(NOBODY, 'sh', ['-c', command], env));

  const path = join(copy, `dist/sbc-sip-sidecar-${manifest.version}`);
  expect(sha256(`${path}-${HOST}`)).toBe(sha256(binary));
  expect(readFileSync(`${path}-${HOST}.cdx.json`, 'utf8')).toBe(readFileSync(`${binary}.cdx.json`, 'utf8'));
  expect(readFileSync(`${path}-${FOREIGN}`).readUInt16LE(18)).toBe(EM);
  const check = spawnProcess('sha256sum', ['-c', 'SHA256SUMS'], { cwd: join(copy, 'dist') });
  expect((await succeeded(check)).stdout).toHaveLength(4);
});

test('an unknown target is refused, and the known ones are named', async () => {
  const build = spawnProcess(process.execPath, ['build.ts', '--target', 'linux-arm'], { cwd: ROOT });
  expect((await within(build.exited, DEADLINE_MS, 'build')).code).toBe(1);
  expect(build.stderr.join()).toContain('no target linux-arm; there are linux-x64, linux-arm64,');
});

test('a binary knows the commit and its date', async () => {
  expect(JSON.parse(await output('version', '--json'))).toMatchObject({ commit: '4f1c2d9be07a', built: '2026-05-04' });
});

test('a binary has no path of the machine that built it', async () => {
  expect(readFileSync(binary).includes(ROOT)).toBe(false);
});

describe('the SBOM', () => {
  test('is valid CycloneDX 1.6', async () => {
    const directory = temporaryDirectory('cyclonedx');
    const validator = ['@cyclonedx/cyclonedx-library@10.3.0', 'ajv@8.17.1', 'ajv-formats@3.0.1'];
    const args = ['install', '--no-audit', '--no-fund', ...validator, 'ajv-formats-draft2019@1.6.1'];
    await succeeded(spawnProcess('npm', args, { cwd: directory }));
    const script = `
      import { readFileSync } from 'node:fs';
      import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
      const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
      console.log(JSON.stringify(await validator.validate(readFileSync('${binary}.cdx.json', 'utf8'))));
    `;
    writeFileSync(join(directory, 'validate.mjs'), script);
    const { stdout } = await succeeded(spawnProcess('node', ['validate.mjs'], { cwd: directory }));
    expect(stdout).toEqual(['null']);
  });

  test('has every dependency that is in use, Bun, and nothing that is for development', () => {
    const names = sbom.components.map(fullName);
    expect(names).toEqual(expect.arrayContaining(Object.keys(manifest.dependencies)));
    for (const name of Object.keys(manifest.devDependencies)) if (name !== 'bun') expect(names).not.toContain(name);
    const [bun] = sbom.components;
    expect(bun).toMatchObject({
      name: 'bun',
      version: Bun.version,
      purl: `pkg:npm/%40oven/bun-${HOST}@${Bun.version}`,
    });
    expect(bun?.components?.map(({ name }) => name)).toEqual(expect.arrayContaining(['JavaScriptCore', 'BoringSSL']));
  });

  test('names version, licence, purl and hash of each package, and that of the binary', () => {
    for (const component of sbom.components) {
      expect(component.purl).toEndWith(`@${component.version}`);
      expect(component.licenses).toHaveLength(1);
      expect(component.hashes).toEqual([{ alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) }]);
    }
    expect(sbom.metadata.component.hashes).toEqual([{ alg: 'SHA-256', content: sha256(binary) }]);
  });

  test('leads from the sidecar to every package', () => {
    const reached = new Set<string>();
    const visit = (ref: string): void => {
      if (reached.has(ref)) return;
      reached.add(ref);
      for (const next of sbom.dependencies.find((one) => one.ref === ref)?.dependsOn ?? []) visit(next);
    };
    visit(sbom.metadata.component['bom-ref']);
    expect(sbom.components.filter((one) => !reached.has(one['bom-ref'])).map(fullName)).toEqual([]);
  });
});

test('version --licenses has the licence of each package inside, and the LGPL for JavaScriptCore', async () => {
  const { licenses } = JSON.parse(await output('version', '--licenses', '--json'));
  const listed = (name: string) => expect.objectContaining({ name, text: expect.stringMatching(/\w/) });
  expect(licenses).toEqual(expect.arrayContaining(['sbc-sip-sidecar', ...sbom.components.map(fullName)].map(listed)));
  const text = await output('version', '--licenses');
  expect(text).toMatch(/^pino 10\.4\.0 \(MIT\)$/m);
  expect(text).toMatch(/^ {2}JavaScriptCore: LGPL-2\.1-or-later/m);
  expect(text).toContain('GNU LESSER GENERAL PUBLIC LICENSE');
  expect(text).toContain('END OF TERMS AND CONDITIONS');
});
