/** Whether stdout is a terminal. Loads node:tty, which takes 12 ms. */
export async function onTerminal(): Promise<boolean> {
  const { isatty } = await import('node:tty');
  return isatty(1);
}

export type Style = 'green' | 'yellow' | 'red' | 'bold';

/** Adds styles and symbols, or nothing when the output is to be plain. */
export interface Painter {
  paint(style: Style, text: string): string;
  symbol(symbol: string): string;
}

const PLAIN: Painter = { paint: (_, text) => text, symbol: () => '' };

/** Plain unless stdout is a terminal and NO_COLOR is not set. */
export async function painter(): Promise<Painter> {
  // Cheap, and false when neither stdout nor stderr is a terminal. FORCE_COLOR can make it true.
  if (!Bun.enableANSIColors || process.env.NO_COLOR || !(await onTerminal())) return PLAIN;
  const { styleText } = await import('node:util');
  return {
    paint: (style, text) => styleText(style, text, { validateStream: false }),
    symbol: (symbol) => `${symbol} `,
  };
}
