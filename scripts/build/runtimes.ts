import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { $ } from 'bun';
import { locked, sha512Of } from './lock.ts';

const CACHE = 'node_modules/.cache/bun-runtimes';

export interface Target {
  /** As in `--target`, and in the name of the binary. */
  readonly name: string;
  readonly bunTarget: Bun.Build.CompileTarget;
  /** The npm package that has Bun for it. */
  readonly package: string;
}

/** Bun for one target: what a binary consists of, besides our modules. */
export interface Runtime {
  readonly target: Target;
  readonly executable: string;
  readonly version: string;
  /** SHA-512 of the npm package, in hex. */
  readonly sha512: string;
}

export const TARGETS: readonly Target[] = [
  { name: 'linux-x64', bunTarget: 'bun-linux-x64', package: '@oven/bun-linux-x64' },
  { name: 'linux-arm64', bunTarget: 'bun-linux-arm64', package: '@oven/bun-linux-aarch64' },
  { name: 'linux-x64-musl', bunTarget: 'bun-linux-x64-musl', package: '@oven/bun-linux-x64-musl' },
  { name: 'linux-arm64-musl', bunTarget: 'bun-linux-arm64-musl', package: '@oven/bun-linux-aarch64-musl' },
  { name: 'darwin-x64', bunTarget: 'bun-darwin-x64', package: '@oven/bun-darwin-x64' },
  { name: 'darwin-arm64', bunTarget: 'bun-darwin-arm64', package: '@oven/bun-darwin-aarch64' },
];

/** A target by its name; container builders say `amd64` for `x64`. @throws when there is no such target */
export function targetNamed(name: string): Target {
  const target = TARGETS.find((one) => one.name === name.replace('amd64', 'x64'));
  if (!target) throw new Error(`no target ${name}; there are ${TARGETS.map((one) => one.name).join(', ')}`);
  return target;
}

/** The Bun that runs this. @throws when it is not of the version in package-lock.json */
export function hostRuntime(): Runtime {
  const musl = process.platform === 'linux' && existsSync(`/lib/ld-musl-${MUSL_ARCH[process.arch]}.so.1`);
  const glibc = process.platform === 'linux' && existsSync(GLIBC_LOADER[process.arch] ?? '');
  const target = targetNamed(`${process.platform}-${process.arch}${musl && !glibc ? '-musl' : ''}`);
  const runtime = describe(target, process.execPath);
  if (Bun.version !== runtime.version)
    throw new Error(
      `this is Bun ${Bun.version}, and package-lock.json has ${runtime.version}: use node_modules/.bin/bun`,
    );
  return runtime;
}

const MUSL_ARCH: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };
const GLIBC_LOADER: Readonly<Record<string, string>> = {
  x64: '/lib64/ld-linux-x86-64.so.2',
  arm64: '/lib/ld-linux-aarch64.so.1',
};

/** Fetches Bun for a target with npm, once. @throws when its checksum is not that of package-lock.json */
export async function runtimeFor(target: Target): Promise<Runtime> {
  const entry = locked(`node_modules/${target.package}`);
  const executable = join(CACHE, `${target.package.replace('/', '-')}-${entry.version}`);
  const runtime = describe(target, executable);
  if (existsSync(executable)) return runtime;
  await mkdir(CACHE, { recursive: true });
  const directory = await mkdtemp(join(CACHE, '.fetch-'));
  try {
    const name = `${target.package}@${entry.version}`;
    const archive = (await $`npm pack --silent --pack-destination ${directory} ${name}`.text()).trim();
    const bytes = await Bun.file(join(directory, archive)).arrayBuffer();
    if (new Bun.CryptoHasher('sha512').update(bytes).digest('hex') !== runtime.sha512)
      throw new Error(`the checksum of ${name} is not that of package-lock.json`);
    await $`tar -xzf ${archive} package/bin/bun`.cwd(directory);
    await rename(join(directory, 'package/bin/bun'), executable);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return runtime;
}

function describe(target: Target, executable: string): Runtime {
  const entry = locked(`node_modules/${target.package}`);
  return { target, executable, version: entry.version, sha512: sha512Of(entry) };
}
