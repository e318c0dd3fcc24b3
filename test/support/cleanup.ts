import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { within } from './deadline.ts';

/** One function that hangs must not keep the others from running, milliseconds. */
const CLEANUP_DEADLINE_MS = 20_000;

const functions: (() => Promise<void> | void)[] = [];
const pids = new Set<number>();
const directories = new Set<string>();

/** Runs `fn` after the last test; what was registered last runs first. It has 20 s. */
export function onCleanup(fn: () => Promise<void> | void): void {
  functions.push(fn);
}

/**
 * Remembers a child that must not outlive us, however we end.
 * @returns forgets it again; call it when the child has exited, its pid may belong to someone else then
 */
export function killAtExit(pid: number): () => void {
  pids.add(pid);
  return () => pids.delete(pid);
}

/** A new directory that only we can read, removed at the end. */
export function temporaryDirectory(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `sidecar-test-${name}-`));
  directories.add(directory);
  return directory;
}

/** Removes it before the end. */
export function removeTemporaryDirectory(directory: string): void {
  directories.delete(directory);
  rmSync(directory, { recursive: true, force: true });
}

/**
 * Runs all that was registered, then kills and removes what is left.
 * @throws AggregateError of what went wrong, after everything had its turn
 */
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

// `bun test` that runs to its end goes through runCleanup; process.exit() and signals do not.
process.on('exit', endEverything);
for (const [signal, number] of [
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const) {
  process.on(signal, () => process.exit(128 + number));
}
