import { printable } from '../lib/text.ts';
import { fitted } from './fit.ts';
import type { Painter, Style } from './terminal.ts';

export interface Column<Row> {
  readonly head: string;
  /** May return any text: {@link table} replaces control characters. */
  readonly cell: (row: Row) => string;
  readonly alignRight?: true;
  readonly styled?: true;
  /** Longer cells are cut; characters. */
  readonly max?: number;
  /** On a narrow terminal cells are cut, to this at most; screen columns. */
  readonly min?: number;
  /** On a narrow terminal the column is left out; that with the lowest number goes first. */
  readonly spare?: number;
  /** The cells on a narrow terminal. */
  readonly short?: (cells: readonly string[]) => readonly string[];
}

export interface Look {
  /** Must be two columns wide, as emoji are. */
  readonly symbol: string;
  readonly style: Style;
}

export const INDENT = '  ';
export const GAP = '  ';

/** Aligned, indented columns under a header row, without a final line break. They fit the terminal as far as they can. */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { paint, symbol, width }: Painter,
  look?: (row: Row) => Look,
): string {
  const lines = rows.map((row) => `${INDENT}${look ? symbol(look(row).symbol) : ''}`);
  let head = `${INDENT}${look ? symbol('  ') : ''}`;
  const sized = shown(rows, columns, width - Bun.stringWidth(head));
  for (const [i, { column, cells, width }] of sized.entries()) {
    const gap = i === 0 ? '' : GAP;
    head += gap + aligned(column.head, width, column.alignRight);
    for (const [j, row] of rows.entries()) {
      // Padded first: colour codes would count as characters.
      const cell = aligned(cells[j] ?? '', width, column.alignRight);
      lines[j] += gap + (look && column.styled ? paint(look(row).style, cell) : cell);
    }
  }
  return [head, ...lines].map((line) => line.trimEnd()).join('\n');
}

interface SizedColumn<Row> {
  readonly column: Column<Row>;
  readonly cells: readonly string[];
  readonly width: number;
}

/** The columns that are shown, within `limit` screen columns if they can be. */
function shown<Row>(rows: readonly Row[], columns: readonly Column<Row>[], limit: number): SizedColumn<Row>[] {
  const whole = columns.map((column) =>
    sizedBy(
      column,
      rows.map((row) => cut(printable(column.cell(row)), column.max)),
    ),
  );
  if (whole.reduce((sum, { width }) => sum + width + GAP.length, -GAP.length) <= limit) return whole;
  const short = whole.map((one) => (one.column.short ? sizedBy(one.column, one.column.short(one.cells)) : one));
  const widths = fitted(
    short.map(({ column, width }) => ({ width, min: column.min, spare: column.spare })),
    limit,
    GAP.length,
  );
  return short.flatMap(({ column, cells }, i) => {
    const width = widths[i] ?? 0;
    return width === 0 ? [] : [{ column, cells: cells.map((cell) => narrowed(cell, width)), width }];
  });
}

function sizedBy<Row>(column: Column<Row>, cells: readonly string[]): SizedColumn<Row> {
  const width = cells.reduce((widest, cell) => Math.max(widest, Bun.stringWidth(cell)), column.head.length);
  return { column, cells, width };
}

/** Counts screen columns, not characters: carrier names may be in any script. A longer text stays as it is. */
export function aligned(text: string, width: number, right = false): string {
  const padding = ' '.repeat(Math.max(0, width - Bun.stringWidth(text)));
  return right ? padding + text : text + padding;
}

export function cut(text: string, max = Number.POSITIVE_INFINITY): string {
  const characters = [...text];
  return characters.length > max ? `${characters.slice(0, max - 1).join('')}…` : text;
}

/** The beginning of a text that takes this many screen columns. */
function narrowed(text: string, width: number): string {
  if (Bun.stringWidth(text) <= width) return text;
  let start = '';
  for (const character of text) {
    if (Bun.stringWidth(start + character) >= width) break;
    start += character;
  }
  return `${start}…`;
}
