import type { Spread } from '../lib/spread.ts';

const NAME_WIDTH = 26;
const CELL_WIDTH = 34;

/** One side's figures, as `summarize` has them. */
export interface Column {
  readonly side: string;
  readonly summary: Readonly<Record<string, Spread>>;
}

/** A table: a figure a row, a side a column with its median, (minimum–maximum) and ratio to the first side. */
export function comparison(title: string, columns: readonly Column[], figures: readonly string[]): string[] {
  const [first] = columns;
  if (!first) return [];
  const rows = figures.map((figure) => {
    const base = first.summary[figure]?.median ?? Number.NaN;
    const cells = columns.map(({ summary }) => cellOf(summary[figure], base).padStart(CELL_WIDTH));
    return figure.padEnd(NAME_WIDTH) + cells.join('');
  });
  const head = ''.padEnd(NAME_WIDTH) + columns.map(({ side }) => side.padStart(CELL_WIDTH)).join('');
  return ['', title, head, ...rows];
}

function cellOf(spread: Spread | undefined, base: number): string {
  if (!spread || Number.isNaN(spread.median)) return '–';
  const { median, min, max } = spread;
  const ratio = base > 0 ? `${(median / base).toFixed(2)} x` : '';
  return `${digits(median)} (${digits(min)}–${digits(max)})  ${ratio.padStart(7)}`;
}

/** Three digits or more. */
export function digits(value = Number.NaN): string {
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(2) : value.toFixed(4);
}
