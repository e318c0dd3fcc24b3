import { runCleanup } from '../../test/support/cleanup.ts';
import { type Flags, helpOf, readFlags } from './flags.ts';
import { machine } from './proc.ts';

export interface Report {
  /** What --json prints, besides the machine and the faults. */
  readonly figures: object;
  /** The same for people. */
  readonly text: string;
  /** What makes the benchmark fail. */
  readonly faults?: readonly string[];
}

export interface Benchmark<S> {
  /** What it does and how it is called: the head of the help text. */
  readonly about: string;
  readonly failsWhen: string;
  settings(flags: Flags): S;
  /** @returns what is printed; without it the benchmark prints, and sets the exit code 1, itself */
  run(settings: S): Promise<Report> | Promise<void>;
}

/**
 * Runs a benchmark as its command line says, then ends the processes it started. Exit code 1 and a message when `run`
 * throws; 2, a message and the help text for a wrong command line.
 */
export async function runBenchmark<S>(benchmark: Benchmark<S>, args = process.argv.slice(2)): Promise<void> {
  const { about, failsWhen } = benchmark;
  const help = () =>
    `${about}\n\n${helpOf(benchmark.settings)}\n\nExit code: 0, 1 when ${failsWhen}, 2 for a wrong command line.`;
  if (args.includes('--help')) {
    console.log(help());
    return;
  }
  let settings: S;
  try {
    settings = readFlags(args, benchmark.settings);
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${help()}`);
    process.exitCode = 2;
    return;
  }
  try {
    const report = await benchmark.run(settings);
    if (report) print(report, args.includes('--json'));
  } catch (error) {
    console.error(messageOf(error));
    process.exitCode = 1;
  } finally {
    await runCleanup();
  }
}

function print({ figures, text, faults = [] }: Report, json: boolean): void {
  if (json) console.log(JSON.stringify({ machine: machine(), ...figures, faults }, null, 2));
  else console.log([machine(), '', text, ...faults.map((fault) => `failed: ${fault}`)].join('\n'));
  if (faults.length > 0) process.exitCode = 1;
}

export function binaryFlag(flags: Flags): string {
  return flags.text('binary', { value: 'path', help: 'the sidecar', default: 'dist/sbc-sip-sidecar' });
}

export function jsonFlag(flags: Flags): boolean {
  return flags.toggle('json', 'the report as JSON');
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
