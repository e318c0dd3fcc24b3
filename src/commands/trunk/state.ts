import type { TrunkRow } from '../../admin/protocol.ts';
import type { Look } from '../table.ts';

const GOOD: Look = { symbol: '🟢', style: 'green' };
const UNDER_WAY: Look = { symbol: '🟡', style: 'yellow' };
const BAD: Look = { symbol: '🔴', style: 'red' };

const LOOKS: ReadonlyMap<string, Look> = new Map([
  ['registered', GOOD],
  ['refreshing', GOOD],
  ['failing', BAD],
  ['disabled', BAD],
]);

/** How a state looks; all that are not listed pass by themselves. */
export function lookOf({ state }: Pick<TrunkRow, 'state'>): Look {
  return LOOKS.get(state) ?? UNDER_WAY;
}
