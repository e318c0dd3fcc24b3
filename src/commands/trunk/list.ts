import { defineCommand } from 'citty';
import type { TrunkRow, Trunks } from '../../admin/protocol.ts';
import { ago, until } from '../duration.ts';
import { addressOf, CARRIER, MAX_ANSWER, NOTHING, SID, sorted, underLeadership } from '../outbound.ts';
import { askSidecar, JSON_FLAG, show } from '../sidecar.ts';
import { type Column, table } from '../table.ts';
import { type Painter, painter } from '../terminal.ts';
import { lookOf } from './state.ts';

export default defineCommand({
  meta: { name: 'list', description: 'Show every registration at a carrier, and the gateways without one' },
  args: JSON_FLAG,
  async run({ args }) {
    const answer = await askSidecar('trunk-list', {});
    await show(args, answer, listing(answer, await painter()));
  },
});

function listing({ trunks, skipped, now, ...leadership }: Trunks, painter: Painter): string {
  const registered =
    trunks.length > 0 ? `Trunks:\n${table(sorted(trunks), columns(now), painter, lookOf)}` : 'No trunks';
  const others = skipped.length > 0 ? [`Not registered:\n${table(sorted(skipped), SKIPPED, painter)}`] : [];
  return underLeadership(leadership, registered, ...others);
}

function columns(now: number): readonly Column<TrunkRow>[] {
  return [
    CARRIER,
    { head: 'GATEWAY', cell: addressOf, min: 16 },
    { head: 'STATE', cell: ({ state }) => state, styled: true },
    { head: 'SINCE', cell: ({ since }) => ago(since, now, NOTHING), spare: 2 },
    { head: 'EXPIRES', cell: ({ expiresAt }) => until(expiresAt, now, NOTHING), spare: 1 },
    { head: 'LAST ANSWER', cell: ({ lastReason }) => lastReason ?? NOTHING, max: MAX_ANSWER, min: 11, spare: 4 },
    { head: 'NEXT TRY', cell: ({ nextTryAt }) => until(nextTryAt, now, NOTHING), spare: 3 },
    SID,
  ];
}

const SKIPPED: readonly Column<Trunks['skipped'][number]>[] = [
  CARRIER,
  { head: 'WHY', cell: ({ why }) => why, min: 20 },
  SID,
];
