import { join } from 'node:path';
import { within } from '../support/deadline.ts';
import { spawnProcess } from '../support/process.ts';

const DEADLINE_MS = 60_000;

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs bench/<name>/index.ts to its end, which comes within a minute. */
export function runBench(name: string, ...args: string[]): Promise<Outcome> {
  return runBenchWithin(DEADLINE_MS, name, ...args);
}

export async function runBenchWithin(deadlineMs: number, name: string, ...args: string[]): Promise<Outcome> {
  const bench = spawnProcess(process.execPath, [join(import.meta.dir, '../../bench', name, 'index.ts'), ...args]);
  const { code } = await within(bench.exited, deadlineMs, `end of bench/${name}`);
  return { code, stdout: bench.stdout.join('\n'), stderr: bench.stderr.join('\n') };
}
