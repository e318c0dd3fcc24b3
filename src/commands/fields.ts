import { printable } from '../lib/text.ts';
import type { Painter, Style } from './terminal.ts';

/** The value may be any text: {@link fieldLines} replaces control characters. */
export type Field = readonly [label: string, value: string, style?: Style | undefined];

export function fieldLines(fields: readonly Field[], { paint }: Painter): string {
  const width = Math.max(...fields.map(([label]) => label.length)) + 2;
  const lines = fields.map(([label, value, style]) => {
    const text = printable(value);
    return `${`${label}:`.padEnd(width)} ${style ? paint(style, text) : text}`;
  });
  return lines.join('\n');
}
