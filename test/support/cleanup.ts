import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { within } from './deadline.ts';

/** Per function, so that one that hangs does not stop the others. */
const CLEANUP_DEADLINE_MS = 20_000;

const functions: (() => Promise<void> | void)[] = [];
const pids = new Set<number>();
const directories = new Set<string>();

/** Runs `fn` after the last test, in reverse order of registration. It has 20 s. */
export function onCleanup(fn: () => Promise<void> | void): void {
  functions.push(fn);
}

/**
 * Kills a child when this process ends, however it ends.
 * @returns a function to call when the child has exited, because its pid may be reused
 */
export function killAtExit(pid: number): () => void {
  pids.add(pid);
  return () => pids.delete(pid);
}

export function temporaryDirectory(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `sidecar-test-${name}-`));
  directories.add(directory);
  return directory;
}

export function removeTemporaryDirectory(directory: string): void {
  directories.delete(directory);
  rmSync(directory, { recursive: true, force: true });
}

/** Runs every registered function, then kills children and removes directories. @throws AggregateError at the end */
export async function runCleanup(): Promise<void> {
  const errors: unknown[] = [];
  for (let fn = functions.pop(); fn; fn = functions.pop()) {
    try {
      await within(Promise.resolve(fn()), CLEANUP_DEADLINE_MS, 'cleaning up');
    } catch (error) {
      errors.push(error);
    }
  }
  endEverything();
  if (errors.length > 0) throw new AggregateError(errors, `cleaning up: ${errors.map(String).join('; ')}`);
}

function endEverything(): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
  pids.clear();
  for (const directory of directories) removeTemporaryDirectory(directory);
}

// process.exit() and signals bypass runCleanup.
process.on('exit', endEverything);
for (const [signal, number] of [
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const) {
  process.on(signal, () => process.exit(128 + number));
}
