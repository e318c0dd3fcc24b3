import { Refused } from '../admin/actions.ts';
import type { TrunkRegistrationView } from '../regbot/registration-context.ts';

type Named = Pick<TrunkRegistrationView, 'carrier' | 'gateway'>;

/** Trunks named in a refusal. */
const MAX_NAMED = 5;

/**
 * The trunk that an operator means: by its gateway SID, else by the name of its carrier, else by the beginning of the SID.
 * Upper and lower case count as the same in names and beginnings.
 * @throws Refused when several match
 */
export function findTrunk<T extends Named>(text: string, trunks: readonly T[]): T | undefined {
  const lower = text.toLowerCase();
  const rules: readonly ((trunk: Named) => boolean)[] = [
    ({ gateway }) => gateway === text,
    ({ carrier }) => carrier.toLowerCase() === lower,
    ({ gateway }) => gateway.toLowerCase().startsWith(lower),
  ];
  for (const rule of rules) {
    const [first, ...others] = trunks.filter(rule);
    if (others.length > 0) throw new Refused(ambiguous(text, trunks.filter(rule)));
    if (first) return first;
  }
  return undefined;
}

function ambiguous(text: string, trunks: readonly Named[]): string {
  const named = trunks.slice(0, MAX_NAMED).map(({ carrier, gateway }) => `${gateway} (${carrier})`);
  const more = trunks.length > MAX_NAMED ? ' and others' : '';
  return `${text} means ${trunks.length} trunks: ${named.join(', ')}${more}`;
}
