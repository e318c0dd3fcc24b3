import { DependencyError } from '../../ports/errors.ts';

/**
 * - `wrong`: `serve` would not start, or be of no use
 * - `away`: a service does not answer now; `serve` waits for it
 * - `warning`: it works, for now
 */
type Verdict = 'ok' | 'note' | 'warning' | 'wrong' | 'away';

export interface Finding {
  readonly verdict: Verdict;
  /** One line: what, its state, and what to do about it. */
  readonly text: string;
}

export const ok = (text: string): Finding => ({ verdict: 'ok', text });
export const note = (text: string): Finding => ({ verdict: 'note', text });
export const warning = (text: string): Finding => ({ verdict: 'warning', text });
export const wrong = (text: string): Finding => ({ verdict: 'wrong', text });
export const away = (text: string): Finding => ({ verdict: 'away', text });

export function messageOf(error: unknown): string {
  if (error instanceof DependencyError) return error.why;
  return error instanceof Error ? error.message : String(error);
}
