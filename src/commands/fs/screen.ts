/** Codes of ECMA-48 and DEC terminals, which every terminal in use understands. */
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
const CLEAR = '\x1b[2J';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
/** Without wrapping the terminal cuts long lines, and a frame has as many rows as lines. */
const NO_WRAP = '\x1b[?7l';
const WRAP = '\x1b[?7h';

/** Of a terminal that does not say how many it has. */
const ROWS = 24;

/** A terminal on which each frame takes the place of the one before. */
export class Screen {
  #gone = false;

  constructor() {
    // The terminal was closed; the next frame finds out.
    process.stdout.on('error', () => {
      this.#gone = true;
    });
    process.stdout.write(HIDE_CURSOR + NO_WRAP + CLEAR);
  }

  /** @returns false when the terminal is gone */
  draw(frame: string): boolean {
    // The last row stays free: the cursor rests there, and so does the shell's prompt in the end.
    const lines = frame.split('\n').slice(0, Math.max(1, (process.stdout.rows || ROWS) - 1));
    process.stdout.write(HOME + lines.map((line) => `${line}${CLEAR_LINE}\n`).join('') + CLEAR_BELOW);
    return !this.#gone;
  }

  close(): void {
    process.stdout.write(WRAP + SHOW_CURSOR);
  }
}
