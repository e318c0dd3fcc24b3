import type { Timers } from './timers.ts';

const WINDOW_MS = 1_000;

/** Limits log lines to so many of a kind per second; the rest of each second are counted. The kinds must be few. */
export class LineLimit {
  /** Lines of this second by kind; absent without any. */
  #lines: Map<string, number> | undefined;

  constructor(
    private readonly max: number,
    private readonly timers: Timers,
    /** Called at the end of a second for each kind that had further lines. */
    private readonly report: (kind: string, further: number) => void,
  ) {}

  /** Whether one more line of a kind may be written now. */
  allows(kind: string): boolean {
    if (!this.#lines) {
      this.#lines = new Map();
      this.timers.after(WINDOW_MS, () => this.#endSecond());
    }
    const lines = (this.#lines.get(kind) ?? 0) + 1;
    this.#lines.set(kind, lines);
    return lines <= this.max;
  }

  #endSecond(): void {
    const lines = this.#lines ?? [];
    this.#lines = undefined;
    for (const [kind, count] of lines) if (count > this.max) this.report(kind, count - this.max);
  }
}
