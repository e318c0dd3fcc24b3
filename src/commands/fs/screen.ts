// ECMA-48 and DEC control sequences.
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
const CLEAR = '\x1b[2J';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
/** Makes the terminal cut long lines, so that each line takes one row. */
const NO_WRAP = '\x1b[?7l';
const WRAP = '\x1b[?7h';

const DEFAULT_ROWS = 24;

export class Screen {
  #gone = false;

  constructor() {
    process.stdout.on('error', () => {
      this.#gone = true;
    });
    process.stdout.write(HIDE_CURSOR + NO_WRAP + CLEAR);
  }

  /** @returns false when the terminal is gone */
  draw(frame: string): boolean {
    // The last row is for the cursor, and later the shell's prompt.
    const lines = frame.split('\n').slice(0, Math.max(1, (process.stdout.rows || DEFAULT_ROWS) - 1));
    process.stdout.write(HOME + lines.map((line) => `${line}${CLEAR_LINE}\n`).join('') + CLEAR_BELOW);
    return !this.#gone;
  }

  close(): void {
    process.stdout.write(WRAP + SHOW_CURSOR);
  }
}
