import { machine } from '../register/proc.ts';
import type { Options } from './args.ts';
import type { Measured } from './measure.ts';

interface Row {
  readonly figure: string;
  readonly min: number;
  readonly median: number;
  readonly max: number;
  /** The median has to be below. */
  readonly target: number | null;
}

/** More than what the pace allows that registering everything may take. */
const TOLERATED_DELAY = 1.1;

/** The report for people. */
export function table(options: Options, measured: Measured): string {
  const { trunks, batchSize, batchSleepMs, stores, windows, seconds, stale } = options;
  const kept = stores === 'sqlite' ? 'SQLite' : 'Redis and MariaDB';
  const lines = [
    `${machine()}`,
    `${trunks} trunks, ${batchSize} per ${batchSleepMs} ms, ${kept}; ${windows} windows of ${seconds} s` +
      `${stale ? '; every refresh is challenged' : ''}`,
    '',
    `${''.padEnd(30)}${['min', 'median', 'max', 'target'].map((head) => head.padStart(10)).join('')}`,
    ...rows(options, measured).map(({ figure, min, median, max, target }) => {
      const verdict = target === null ? '' : `${median < target ? '' : '! '}< ${decimals(target)}`;
      return `${figure.padEnd(30)}${[...[min, median, max].map(decimals), verdict].map((cell) => cell.padStart(10)).join('')}`.trimEnd();
    }),
    '',
    `retransmissions: ${measured.retransmissions}`,
    ...measured.faults.map((fault) => `this run does not count: ${fault}`),
  ];
  return lines.join('\n');
}

/** The report for programs. */
export function toJson(options: Options, measured: Measured) {
  return { machine: machine(), options, figures: rows(options, measured), ...measured };
}

function rows({ trunks }: Options, measured: Measured): Row[] {
  const { registeringSeconds, allowedSeconds, registeringCpuMs, idleMb, settledMb } = measured;
  const idle = spread(idleMb);
  const settled = spread(settledMb);
  const growth = (mb: number) => ((mb - idle.median) * 1024) / trunks;
  const grown = { min: growth(settled.min), median: growth(settled.median), max: growth(settled.max) };
  return [
    { figure: 'all registered, s', ...spread([registeringSeconds]), target: allowedSeconds * TOLERATED_DELAY },
    { figure: 'CPU until then, ms a trunk', ...spread([registeringCpuMs]), target: null },
    { figure: 'then CPU, % of a core', ...spread(measured.cpuPercent), target: 5 },
    { figure: 'REGISTER/s meanwhile', ...spread(measured.registersPerSecond), target: null },
    { figure: 'RSS without trunks, MB', ...idle, target: null },
    { figure: 'RSS with all settled, MB', ...settled, target: null },
    { figure: 'growth, KB a trunk', ...grown, target: 8 },
    { figure: 'database cycle, ms', ...spread(measured.cycleMs), target: 500 },
  ];
}

function spread(values: readonly number[]): { min: number; median: number; max: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
  return { min: sorted[0] ?? Number.NaN, median, max: sorted.at(-1) ?? Number.NaN };
}

function decimals(value: number): string {
  return value.toFixed(value < 100 ? 2 : 0);
}
