import { chmodSync, copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { sidecarBinary } from './binary.ts';
import { onCleanup, temporaryDirectory } from './cleanup.ts';
import { type SpawnedProcess, spawnProcess } from './process.ts';

export const ROOT = 0;
/** `nobody` on Debian. */
export const NOBODY = 65534;
/** A user that /etc/passwd does not name. */
export const NAMELESS = 54321;

/** Starts a program as another user: through sudo unless the tests run as root. */
export function spawnAs(
  uid: number,
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): SpawnedProcess {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const sudo = process.getuid?.() === ROOT ? [] : ['sudo', '-n'];
  const words = [
    ...sudo,
    'setpriv',
    `--reuid=${uid}`,
    `--regid=${uid}`,
    '--clear-groups',
    'env',
    ...variables,
    command,
    ...args,
  ];
  const [program = '', ...rest] = words;
  const spawned = spawnProcess(program, rest);
  onCleanup(() => spawned.kill('SIGKILL'));
  return spawned;
}

/** The binary where any user can run it. */
export async function binaryForAll(): Promise<string> {
  const path = join(directoryForAll('binary'), 'sbc-sip-sidecar');
  copyFileSync(await sidecarBinary(), path);
  return path;
}

/** A temporary directory where any user can create files and remove its own, like /tmp. */
export function directoryForAll(name: string): string {
  const directory = temporaryDirectory(name);
  chmodSync(directory, 0o1777);
  return directory;
}
