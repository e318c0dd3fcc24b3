import type { TrunkRow } from '../../admin/protocol.ts';
import type { Look } from '../table.ts';

const GOOD: Look = { symbol: '🟢', style: 'green' };
const TRANSIENT: Look = { symbol: '🟡', style: 'yellow' };
const BAD: Look = { symbol: '🔴', style: 'red' };

const LOOKS: ReadonlyMap<string, Look> = new Map([
  ['registered', GOOD],
  ['refreshing', GOOD],
  ['failing', BAD],
  ['disabled', BAD],
]);

/** Every state not listed is transient. */
export function lookOf({ state }: Pick<TrunkRow, 'state'>): Look {
  return LOOKS.get(state) ?? TRANSIENT;
}
