import { join } from 'node:path';
import { runCleanup, temporaryDirectory } from '../../test/support/cleanup.ts';
import { within } from '../../test/support/deadline.ts';
import { spawnProcess } from '../../test/support/process.ts';
import type { Flags } from './flags.ts';

/** Waiting for the machine, as under `flock`, included. */
const DEADLINE_MS = 1_800_000;

/** The command that {@link measureApart} runs scripts under. */
export function underFlag(flags: Flags): string | undefined {
  return flags.optionalText('under', {
    value: 'command',
    help: "runs what measures under this command, as in 'taskset -c 1'",
  });
}

/**
 * Measures in a process of its own, whose CPU is not that of what it measures. The script calls {@link reportOf}.
 * @throws with what it printed when it fails
 */
export async function measureApart<Plan, Report>(script: string, plan: Plan, under?: string): Promise<Report> {
  const file = join(temporaryDirectory('bench-plan'), 'plan.json');
  await Bun.write(file, JSON.stringify(plan));
  const words = [...(under?.split(' ') ?? []), process.execPath, script, file];
  const [program = '', ...args] = words;
  const part = spawnProcess(program, args);
  const { code } = await within(part.exited, DEADLINE_MS, `end of ${script}`);
  if (code !== 0) throw new Error(`measuring failed:\n${part.lines.join('\n')}`);
  return JSON.parse(part.stdout.at(-1) ?? '');
}

/** Measures what the plan says that the process was started with, and prints the report. */
export async function reportOf<Plan, Report>(measure: (plan: Plan) => Promise<Report>): Promise<void> {
  try {
    console.log(JSON.stringify(await measure(await Bun.file(process.argv[2] ?? '').json())));
  } finally {
    await runCleanup();
  }
}
