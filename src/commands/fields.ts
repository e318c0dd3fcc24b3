import { printable } from './output.ts';
import type { Painter, Style } from './terminal.ts';

/** A label, its value, and the style of a value that calls for attention. The value may be any text. */
export type Field = readonly [label: string, value: string, style?: Style | undefined];

/** One field a line, values in a column. */
export function fieldLines(fields: readonly Field[], { paint }: Painter): string {
  const width = Math.max(...fields.map(([label]) => label.length)) + 2;
  const lines = fields.map(([label, value, style]) => {
    const text = printable(value);
    return `${`${label}:`.padEnd(width)} ${style ? paint(style, text) : text}`;
  });
  return lines.join('\n');
}
