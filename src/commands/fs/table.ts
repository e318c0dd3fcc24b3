import type { FeatureServerRow, FeatureServers } from '../../admin/protocol.ts';
import { ago } from '../duration.ts';
import { type Column, type Look, table } from '../table.ts';
import type { Painter } from '../terminal.ts';

const LOOKS: Readonly<Record<FeatureServerRow['status'], Look>> = {
  active: { symbol: '🟢', style: 'green' },
  drained: { symbol: '🔴', style: 'yellow' },
  orphaned: { symbol: '🔴', style: 'red' },
};

export function serverTable({ servers, now }: FeatureServers, painter: Painter): string {
  if (servers.length === 0) return 'No servers configured';
  return `Feature servers:\n${table(servers, columns(now), painter, ({ status }) => LOOKS[status])}`;
}

function columns(now: number): readonly Column<FeatureServerRow>[] {
  return [
    { head: 'SERVER', cell: ({ server }) => server },
    { head: 'STATE', cell: ({ status }) => status, styled: true },
    { head: 'CALLS', cell: ({ calls }) => (calls === null ? '?' : String(calls)), alignRight: true },
    { head: 'CHECK-IN', cell: ({ lastCheckIn }) => ago(lastCheckIn, now, 'never') },
    { head: 'SERVICE URL', cell: ({ serviceUrl }) => serviceUrl ?? '' },
  ];
}
