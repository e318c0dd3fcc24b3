import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { within } from './deadline.ts';
import { spawnProcess } from './process.ts';

const ROOT = join(import.meta.dir, '../..');
const BINARY = join(ROOT, 'dist/sbc-sip-sidecar');
/** What a build reads, besides packages. */
export const BUILD_INPUTS = [
  'src',
  'scripts/build',
  'build.ts',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'LICENSE',
];

const BUILD_DEADLINE_MS = 120_000;

let built: Promise<string> | undefined;

/** The absolute path of the binary. Builds it once per process when it is missing or older than its sources. */
export function sidecarBinary(): Promise<string> {
  built ??= build();
  return built;
}

async function build(): Promise<string> {
  const binaryTime = await modified(BINARY);
  if (binaryTime > (await newestSource())) return BINARY;
  const builder = spawnProcess(process.execPath, ['build.ts'], { cwd: ROOT });
  try {
    const { code } = await within(builder.exited, BUILD_DEADLINE_MS, 'bun build.ts');
    if (code !== 0) throw new Error(`bun build.ts ended with ${code}:\n${builder.lines.join('\n')}`);
  } finally {
    builder.kill('SIGKILL');
  }
  if ((await modified(BINARY)) === 0) throw new Error(`bun build.ts made no ${BINARY}`);
  return BINARY;
}

/** Includes directories, whose time changes when a file is removed or renamed. */
async function newestSource(): Promise<number> {
  const within = await Promise.all(BUILD_INPUTS.map(filesIn));
  const paths = [...BUILD_INPUTS, ...within.flat()];
  return Math.max(...(await Promise.all(paths.map((path) => modified(join(ROOT, path))))));
}

/** Empty for a file. */
async function filesIn(path: string): Promise<string[]> {
  if (!(await stat(join(ROOT, path))).isDirectory()) return [];
  const names = await readdir(join(ROOT, path), { recursive: true });
  return names.map((name) => join(path, name));
}

/** Milliseconds since the epoch; 0 for a missing file. */
async function modified(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0;
    throw error;
  }
}
