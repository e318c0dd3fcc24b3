import { printable } from '../lib/text.ts';
import { aligned, type Column, cut, GAP, INDENT } from './table.ts';

/**
 * A table that is printed part by part, so that its size does not matter. Columns are as wide as the first part needs;
 * a longer cell further down moves the rest of its row.
 */
export class StreamedTable<Row> {
  #widths: readonly number[] | undefined;

  constructor(private readonly columns: readonly Column<Row>[]) {}

  /** The lines of some rows, after the header the first time; without a final line break. */
  lines(rows: readonly Row[]): string {
    const cells = rows.map((row) => this.columns.map(({ cell, max }) => cut(printable(cell(row)), max)));
    const head = this.columns.map((column) => column.head);
    const shown = this.#widths ? cells : [head, ...cells];
    this.#widths ??= head.map((_, i) => Math.max(...shown.map((row) => Bun.stringWidth(row[i] ?? ''))));
    return shown.map((row) => this.#line(row)).join('\n');
  }

  #line(cells: readonly string[]): string {
    const padded = cells.map((cell, i) => aligned(cell, this.#widths?.[i] ?? 0, this.columns[i]?.alignRight));
    return `${INDENT}${padded.join(GAP)}`.trimEnd();
  }
}
