import { printable } from './output.ts';
import type { Painter, Style } from './terminal.ts';

export interface Column<Row> {
  readonly head: string;
  /** Any text: {@link table} makes it harmless to a terminal. */
  readonly cell: (row: Row) => string;
  readonly alignRight?: true;
  /** In the style of the row's {@link Look}. */
  readonly styled?: true;
  /** Longer cells are cut, so that one does not widen all rows; characters. */
  readonly max?: number;
}

/** What a row shows at a glance, on a terminal that can. */
export interface Look {
  /** Two columns wide, as every emoji is. */
  readonly symbol: string;
  readonly style: Style;
}

const INDENT = '  ';
const GAP = '  ';

/** Rows in aligned columns under a head, indented; without a line break at the end. */
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
      // Padded first: the codes of a colour would count as characters.
      const cell = aligned(cells[j] ?? '', width, column.alignRight);
      lines[j] += gap + (look && column.styled ? paint(look(row).style, cell) : cell);
    }
  }
  return [head, ...lines].map((line) => line.trimEnd()).join('\n');
}

/** By width on the screen, not by length: names of carriers may be in any script. */
function aligned(text: string, width: number, right = false): string {
  const padding = ' '.repeat(width - Bun.stringWidth(text));
  return right ? padding + text : text + padding;
}

function cut(text: string, max = Number.POSITIVE_INFINITY): string {
  return text.length > max ? `${[...text].slice(0, max - 1).join('')}…` : text;
}
