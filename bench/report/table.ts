import type { Spread } from '../lib/spread.ts';
import type { Figures, Result, Row } from './results.ts';

const WORKS: Record<Row['work'], string> = {
  full: 'registration',
  refresh: 'refresh',
  options: 'OPTIONS',
  unregister: 'registration and removal',
  enrol: 'registration',
};
const HEAD = ['work', 'load', 'program', 'units/s', 'CPU, ms a unit', 'beside it', 'p50', 'p99', 'memory'];
/** Of the columns of text; the others have figures. */
const TEXT_COLUMNS = 3;

/** All results in one Markdown table. */
export function table(results: readonly Result[]): string {
  return markdown(
    HEAD,
    results.flatMap(({ part, rows }) => (part === 'load' ? highestKept(rows) : rows).map((row) => cellsOf(row, part))),
    TEXT_COLUMNS,
  );
}

/** Of each side the highest rate at which every run counts. */
function highestKept(rows: readonly Row[]): Row[] {
  return [...Map.groupBy(rows, ({ side }) => side).values()].flatMap((group) => {
    const kept = group.findLast(({ figures }) => figures?.flaws.length === 0);
    return kept ?? group.slice(0, 1);
  });
}

function cellsOf({ side, work, rate, users, missing, figures }: Row, part: string): string[] {
  const paced = rate === 0 ? 'closed loop' : `${part === 'load' ? 'up to ' : ''}${grouped(rate)}/s`;
  const load = part.startsWith('users') ? `${paced}, ${grouped(users)} users` : paced;
  const name = [WORKS[work], load, side];
  if (!figures) return [...name, missing ?? '', ...HEAD.slice(TEXT_COLUMNS + 1).map(() => '')];
  const { unitsPerSecond, p50Ms, p99Ms, maxRssMb, runs } = figures;
  return [
    ...name,
    `${runs.counting < runs.all ? `! ${runs.counting} of ${runs.all} runs: ` : ''}${ranged(unitsPerSecond)}`,
    ranged(figures.cpuMsPerUnit.program),
    besides(figures),
    `${decimals(p50Ms.median)} ms`,
    `${ranged(p99Ms)} ms`,
    `${decimals(maxRssMb.program?.max ?? 0)} MB`,
  ];
}

function besides({ cpuMsPerUnit }: Figures): string {
  return Object.entries(cpuMsPerUnit)
    .filter(([name]) => name !== 'program' && name !== 'generator')
    .map(([name, { median }]) => `${name} ${decimals(median)}`)
    .join(', ');
}

/** Median, with minimum and maximum in parentheses when there were several runs. */
function ranged(spread: Spread | undefined): string {
  if (!spread) return '–';
  const { median, min, max } = spread;
  return min === max ? decimals(median) : `${decimals(median)} (${decimals(min)}–${decimals(max)})`;
}

function decimals(value: number): string {
  if (value >= 100) return grouped(Math.round(value));
  return value >= 1 ? value.toFixed(1) : value.toFixed(3);
}

function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** A Markdown table that reads well as plain text too. @param left columns aligned to the left */
export function markdown(head: readonly string[], rows: readonly (readonly string[])[], left: number): string {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (i < left ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`;
  const rule = widths.map((width, i) => (i < left ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}
