import { LOG_LEVELS, SETTINGS } from '../../admin/protocol.ts';

/** What only the running sidecar knows. */
export type Kind = 'active' | 'drained' | 'trunk' | 'banned';

/** What an argument completes to. */
export interface Offers {
  /** Known to the script. */
  readonly words?: readonly string[];
  /** Asked of the sidecar, by the command `__complete`. */
  readonly kind?: Kind;
}

/** By the command whose first argument it is. */
const OFFERS: Readonly<Record<string, Offers>> = {
  'fs drain': { kind: 'active' },
  'fs undrain': { kind: 'drained' },
  'trunk show': { kind: 'trunk' },
  'trunk refresh': { kind: 'trunk' },
  'ban clear': { kind: 'banned' },
  'log level': { words: LOG_LEVELS },
  set: { words: SETTINGS },
  get: { words: SETTINGS },
};

/** @param command without the name of the program, as in `fs drain` */
export function offersOf(command: string): Offers {
  return OFFERS[command] ?? {};
}
