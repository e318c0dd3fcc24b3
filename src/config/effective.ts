import { loggableUrl } from '../lib/loggable-url.ts';
import type { Variable } from './variable.ts';

/** A variable as an operator sees it. */
export interface EffectiveVariable {
  readonly name: string;
  /** As in the environment; {@link HIDDEN} for a secret that is set, '' for what is not set and has no default. */
  readonly value: string;
  readonly from: 'flag' | 'environment' | 'default';
  readonly secret: boolean;
}

/** In the place of a secret. */
export const HIDDEN = '[hidden]';

/** @param env valid, with command-line flags applied @param flags the names of variables that were flags */
export function effectiveVariables(
  variables: readonly Variable<unknown>[],
  env: Readonly<Record<string, string | undefined>>,
  flags: ReadonlySet<string>,
): readonly EffectiveVariable[] {
  return variables.map(({ name, fallbackText, secret, parse }) => {
    const given = env[name];
    if (!given) return { name, value: fallbackText, from: 'default', secret };
    const from = flags.has(name) ? 'flag' : 'environment';
    return { name, value: secret ? HIDDEN : shown(given, parse(given)), from, secret };
  });
}

function shown(text: string, value: unknown): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return text.includes('://') ? loggableUrl(text) : text;
}
