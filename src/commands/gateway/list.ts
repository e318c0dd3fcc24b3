import { defineCommand } from 'citty';
import type { GatewayRow, Gateways } from '../../admin/protocol.ts';
import { ago } from '../duration.ts';
import { addressOf, CARRIER, MAX_ANSWER, NOTHING, SID, sorted, underLeadership } from '../outbound.ts';
import { askSidecar, JSON_FLAG, show } from '../sidecar.ts';
import { type Column, type Look, table } from '../table.ts';
import { type Painter, painter } from '../terminal.ts';

export default defineCommand({
  meta: { name: 'list', description: 'Show every gateway that is pinged: state, last answer, round-trip time' },
  args: JSON_FLAG,
  async run({ args }) {
    const answer = await askSidecar('gateway-list', {});
    await show(args, answer, listing(answer, await painter()));
  },
});

const LOOKS: Readonly<Record<GatewayRow['state'], Look>> = {
  up: { symbol: '🟢', style: 'green' },
  down: { symbol: '🔴', style: 'red' },
  unknown: { symbol: '🟡', style: 'yellow' },
};

function listing({ gateways, now, ...leadership }: Gateways, painter: Painter): string {
  const look = ({ state }: GatewayRow) => LOOKS[state];
  const pinged =
    gateways.length > 0 ? `Gateways:\n${table(sorted(gateways), columns(now), painter, look)}` : 'No gateways';
  return underLeadership(leadership, pinged);
}

function columns(now: number): readonly Column<GatewayRow>[] {
  return [
    CARRIER,
    { head: 'GATEWAY', cell: addressOf, min: 16 },
    { head: 'STATE', cell: ({ state }) => state, styled: true },
    { head: 'SINCE', cell: ({ since }) => ago(since, now, NOTHING), spare: 2 },
    { head: 'LAST ANSWER', cell: ({ lastAnswer }) => lastAnswer ?? NOTHING, max: MAX_ANSWER, min: 11, spare: 4 },
    { head: 'LAST PING', cell: ({ lastAnswerAt }) => ago(lastAnswerAt, now, NOTHING), spare: 1 },
    { head: 'RTT', cell: ({ rttMs }) => (rttMs === null ? NOTHING : `${Math.round(rttMs)} ms`), alignRight: true },
    SID,
  ];
}
