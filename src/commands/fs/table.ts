import type { FeatureServerRow, FeatureServers } from '../../admin/protocol.ts';
import { ago } from '../duration.ts';
import { type Column, type Look, table } from '../table.ts';
import type { Painter } from '../terminal.ts';
import { kubernetesLine } from './server.ts';

const LOOKS: Readonly<Record<FeatureServerRow['status'], Look>> = {
  active: { symbol: '🟢', style: 'green' },
  drained: { symbol: '🔴', style: 'yellow' },
  orphaned: { symbol: '🔴', style: 'red' },
};

export function serverTable({ servers, now, kubernetes }: FeatureServers, painter: Painter): string {
  const hint = kubernetes === undefined ? [] : [kubernetesLine(kubernetes)];
  if (servers.length === 0) return hint[0] ?? 'No servers configured';
  const rows = table(servers, columns(now), painter, ({ status }) => LOOKS[status]);
  return ['Feature servers:', rows, ...hint].join('\n');
}

function columns(now: number): readonly Column<FeatureServerRow>[] {
  return [
    { head: 'SERVER', cell: ({ server }) => server },
    { head: 'STATE', cell: ({ status }) => status, styled: true },
    { head: 'CALLS', cell: ({ calls }) => (calls === null ? '?' : String(calls)), alignRight: true },
    { head: 'CHECK-IN', cell: ({ lastCheckIn }) => ago(lastCheckIn, now, 'never') },
    { head: 'SERVICE URL', cell: ({ serviceUrl }) => serviceUrl ?? '', min: 16 },
  ];
}
