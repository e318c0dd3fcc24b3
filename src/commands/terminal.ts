/** Whether stdout is a terminal. node:tty is loaded for it, which takes 12 ms. */
export async function onTerminal(): Promise<boolean> {
  const { isatty } = await import('node:tty');
  return isatty(1);
}

export type Style = 'green' | 'yellow' | 'red' | 'bold';
/** Text in a style, and symbols; both only where {@link painter} finds that they are wanted. */
export interface Painter {
  paint(style: Style, text: string): string;
  symbol(symbol: string): string;
}

const PLAIN: Painter = { paint: (_, text) => text, symbol: () => '' };

/** Colours and symbols for a terminal, unless NO_COLOR is set; none for anything else. */
export async function painter(): Promise<Painter> {
  // Free to ask, and false whenever neither stdout nor stderr is a terminal; true says little (FORCE_COLOR sets it).
  if (!Bun.enableANSIColors || process.env.NO_COLOR || !(await onTerminal())) return PLAIN;
  const { styleText } = await import('node:util');
  return {
    paint: (style, text) => styleText(style, text, { validateStream: false }),
    symbol: (symbol) => `${symbol} `,
  };
}
