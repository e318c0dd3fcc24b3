import { join } from 'node:path';
import { sidecarBinary } from '../support/binary.ts';
import { temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { spawnProcess } from '../support/process.ts';

const PROJECT = new URL('../../', import.meta.url).pathname;
const DEADLINE_MS = 60_000;

const built = new Map<string, Promise<string>>();

/** The path of a Debian package of the compiled binary, which is built once per process. */
export function debianPackage(version: string): Promise<string> {
  const path = built.get(version) ?? buildDebianPackage(version, '022');
  built.set(version, path);
  return path;
}

/** Builds it anew. */
export async function buildDebianPackage(version: string, umask: string): Promise<string> {
  const binary = await sidecarBinary();
  const out = temporaryDirectory('deb');
  const words = ['packaging/deb/build.ts', '--fast', '--binary', binary, '--version', version, '--out', out];
  const args = ['-c', `umask ${umask}; exec "$0" "$@"`, process.execPath, ...words];
  const build = spawnProcess('sh', args, { cwd: PROJECT, env: { SOURCE_DATE_EPOCH: '1777852800' } });
  const { code } = await within(build.exited, DEADLINE_MS, 'build.ts');
  if (code !== 0) throw new Error(`build.ts ended with ${code}:\n${build.lines.join('\n')}`);
  const [path = ''] = build.stdout;
  return path;
}

/** The text of a file of the project. */
export function projectFile(path: string): Promise<string> {
  return Bun.file(join(PROJECT, path)).text();
}
