import { printable } from '../lib/text.ts';
import type { Painter, Style } from './terminal.ts';

export interface Column<Row> {
  readonly head: string;
  /** May return any text: {@link table} replaces control characters. */
  readonly cell: (row: Row) => string;
  readonly alignRight?: true;
  readonly styled?: true;
  /** Longer cells are cut; characters. */
  readonly max?: number;
}

export interface Look {
  /** Must be two columns wide, as emoji are. */
  readonly symbol: string;
  readonly style: Style;
}

export const INDENT = '  ';
export const GAP = '  ';

/** Aligned, indented columns under a header row, without a final line break. */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { paint, symbol }: Painter,
  look?: (row: Row) => Look,
): string {
  const lines = rows.map((row) => `${INDENT}${look ? symbol(look(row).symbol) : ''}`);
  let head = `${INDENT}${look ? symbol('  ') : ''}`;
  for (const [i, column] of columns.entries()) {
    const cells = rows.map((row) => cut(printable(column.cell(row)), column.max));
    const width = cells.reduce((widest, cell) => Math.max(widest, Bun.stringWidth(cell)), column.head.length);
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

/** Counts screen columns, not characters: carrier names may be in any script. A longer text stays as it is. */
export function aligned(text: string, width: number, right = false): string {
  const padding = ' '.repeat(Math.max(0, width - Bun.stringWidth(text)));
  return right ? padding + text : text + padding;
}

export function cut(text: string, max = Number.POSITIVE_INFINITY): string {
  const characters = [...text];
  return characters.length > max ? `${characters.slice(0, max - 1).join('')}…` : text;
}
