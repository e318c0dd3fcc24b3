import { fstatSync } from 'node:fs';

/** Whether stdout is a terminal. If it may be one, loads node:tty, which takes 12 ms. */
export async function onTerminal(): Promise<boolean> {
  if (!fstatSync(1).isCharacterDevice()) return false;
  const { isatty } = await import('node:tty');
  return isatty(1);
}

export type Style = 'green' | 'yellow' | 'red' | 'bold';

/** Adds styles and symbols, or nothing when the output is to be plain. */
export interface Painter {
  paint(style: Style, text: string): string;
  symbol(symbol: string): string;
  /** Screen columns in a line; infinite unless stdout is a terminal that tells. */
  readonly width: number;
}

const PLAIN: Painter = { paint: (_, text) => text, symbol: () => '', width: Number.POSITIVE_INFINITY };

/** Plain unless stdout is a terminal and NO_COLOR is not set. */
export async function painter(): Promise<Painter> {
  if (!(await onTerminal())) return PLAIN;
  const width = process.stdout.columns || PLAIN.width;
  if (!Bun.enableANSIColors || process.env.NO_COLOR) return { ...PLAIN, width };
  const { styleText } = await import('node:util');
  return {
    paint: (style, text) => styleText(style, text, { validateStream: false }),
    symbol: (symbol) => `${symbol} `,
    width,
  };
}
