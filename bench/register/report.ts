import type { Usage } from '../lib/proc.ts';
import { type Spread, spread } from '../lib/spread.ts';
import type { Counts } from './counts.ts';

export interface Run {
  readonly counts: Counts;
  readonly seconds: number;
  readonly usage: readonly Usage[];
}

/** Above this share of units unanswered, answered wrongly or not begun a run does not count. */
const TOLERATED_SHARE = 0.001;

export function flaw({ counts }: Run): string | undefined {
  const due = counts.started + counts.skipped;
  if (due === 0) return 'no unit was begun';
  const tooMany = (n: number) => n > due * TOLERATED_SHARE;
  const percent = (n: number) => `${((100 * n) / due).toFixed(2)} %`;
  if (tooMany(counts.unanswered)) return `${percent(counts.unanswered)} unanswered`;
  if (tooMany(counts.wrong)) return `${percent(counts.wrong)} answered wrongly`;
  if (tooMany(counts.skipped)) return `${percent(counts.skipped)} not begun: no idle user left, give more users`;
  return undefined;
}

function figures({ counts, seconds, usage }: Run): Map<string, number> {
  const { latency } = counts;
  const rows = new Map<string, number>([
    ['units/s', counts.doneInTime / seconds],
    ['latency p50 ms', latency.percentile(0.5)],
    ['latency p95 ms', latency.percentile(0.95)],
    ['latency p99 ms', latency.percentile(0.99)],
    ['latency max ms', latency.percentile(1)],
  ]);
  for (const { name, cpuMs } of usage)
    rows.set(`${name} CPU ms/unit`, counts.done > 0 ? cpuMs / counts.done : Number.NaN);
  for (const { name, rssMb } of usage) rows.set(`${name} RSS max MB`, rssMb);
  rows.set('units', counts.started);
  rows.set('requests', counts.requests);
  rows.set('retransmissions', counts.retransmissions);
  rows.set('unanswered units', counts.unanswered);
  rows.set('wrong answers', counts.wrong);
  rows.set('units not begun', counts.skipped);
  rows.set('stray answers', counts.stray);
  rows.set('packets lost here', counts.lost);
  rows.set('pacing lag max ms', counts.lagMs);
  return rows;
}

/** Median, smallest and largest of every figure over the runs that count, or all of them; empty without any. */
export function summarize(runs: readonly Run[], all = false): Map<string, Spread> {
  const summary = new Map<string, Spread>();
  const counting = runs.filter((run) => all || flaw(run) === undefined).map(figures);
  for (const name of counting[0]?.keys() ?? []) {
    summary.set(name, spread(counting.map((row) => row.get(name) ?? Number.NaN)));
  }
  return summary;
}

/** The report for people: one row per figure with its median, min and max, then every run. */
export function table(runs: readonly Run[]): string {
  const summary = summarize(runs);
  const perRun = runs.map(figures);
  const names = [...(perRun[0]?.keys() ?? [])];
  const head = ['', 'median', 'min', 'max', ...runs.map((run, i) => `${flaw(run) ? '!' : ''}run ${i + 1}`)];
  const rows = names.map((name) => {
    const { median, min, max } = summary.get(name) ?? {};
    return [name, ...[median, min, max, ...perRun.map((row) => row.get(name))].map(cell)];
  });
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const lines = [head, ...rows].map((row) =>
    row
      .map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart((widths[i] ?? 0) + 2)))
      .join('')
      .trimEnd(),
  );
  return [...lines, ...notes(runs)].join('\n');
}

/** The report for programs: the same figures, and answers by status per run. */
export function toJson(runs: readonly Run[]) {
  return {
    summary: Object.fromEntries(summarize(runs)),
    runs: runs.map((run) => ({
      counts: flaw(run) === undefined,
      flaw: flaw(run) ?? null,
      figures: Object.fromEntries(figures(run)),
      answers: Object.fromEntries(run.counts.statuses),
      wrongAnswers: [...run.counts.samples],
    })),
  };
}

function notes(runs: readonly Run[]): string[] {
  const answers = new Map<number, number>();
  for (const { counts } of runs) {
    for (const [status, n] of counts.statuses) answers.set(status, (answers.get(status) ?? 0) + n);
  }
  const byStatus = [...answers].sort(([a], [b]) => a - b).map(([status, n]) => `${status}: ${n}`);
  const samples = new Set(runs.flatMap(({ counts }) => [...counts.samples]));
  return [
    `answers by status, all runs: ${byStatus.join(', ') || 'none'}`,
    ...[...samples].map((sample) => `wrong answer: ${sample}`),
    ...runs.flatMap((run, i) => (flaw(run) ? [`run ${i + 1} does not count: ${flaw(run)}`] : [])),
  ];
}

function cell(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '–';
  if (Number.isInteger(value)) return String(value);
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(2) : value.toFixed(4);
}
