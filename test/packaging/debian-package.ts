import { join } from 'node:path';
import { sidecarBinary } from '../support/binary.ts';
import { temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { spawnProcess } from '../support/process.ts';

export const PROJECT = new URL('../../', import.meta.url).pathname;
const DEADLINE_MS = 60_000;

/** Builds a Debian package of the compiled binary. @returns its path */
export async function debianPackage(version: string, umask = '022'): Promise<string> {
  const binary = await sidecarBinary();
  const out = temporaryDirectory('deb');
  const words = ['packaging/deb/build.ts', '--fast', '--binary', binary, '--version', version, '--out', out];
  const args = ['-c', `umask ${umask}; exec "$0" "$@"`, process.execPath, ...words];
  const build = spawnProcess('sh', args, { cwd: PROJECT, env: { SOURCE_DATE_EPOCH: '1777852800' } });
  const { code } = await within(build.exited, DEADLINE_MS, 'build.ts');
  if (code !== 0) throw new Error(`build.ts ended with ${code}:\n${build.lines.join('\n')}`);
  const [path = ''] = build.stdout;
  return join(path);
}

/** The text of a file of the project. */
export function projectFile(path: string): Promise<string> {
  return Bun.file(join(PROJECT, path)).text();
}
