import type { FeatureServerRow, FeatureServers } from '../../admin/protocol.ts';
import { duration } from '../duration.ts';
import { printable } from '../output.ts';
import type { Painter, Style } from '../terminal.ts';

const LOOKS: Readonly<Record<FeatureServerRow['status'], { readonly symbol: string; readonly style: Style }>> = {
  active: { symbol: '🟢', style: 'green' },
  drained: { symbol: '🔴', style: 'yellow' },
  orphaned: { symbol: '🔴', style: 'red' },
};
const HEAD = ['SERVER', 'STATE', 'CALLS', 'CHECK-IN', 'SERVICE URL'];
const STATE_COLUMN = 1;
const CALLS_COLUMN = 2;

/** The feature servers as a table for people. */
export function serverTable({ servers, now }: FeatureServers, { paint, symbol }: Painter): string {
  if (servers.length === 0) return 'No servers configured';
  const rows = servers.map((server) => cells(server, now));
  const widths = HEAD.map((head, i) => Math.max(head.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const padded = (row: readonly string[]) =>
    row.map((cell, i) => (i === CALLS_COLUMN ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)));
  const lines = servers.map(({ status }, i) => {
    const row = padded(rows[i] ?? []);
    // Padded first: the codes of a colour would count as characters.
    row[STATE_COLUMN] = paint(LOOKS[status].style, row[STATE_COLUMN] ?? '');
    return `  ${symbol(LOOKS[status].symbol)}${row.join('  ')}`.trimEnd();
  });
  // A symbol is two columns wide.
  const head = `  ${symbol('  ')}${padded(HEAD).join('  ')}`.trimEnd();
  return ['Feature servers:', head, ...lines].join('\n');
}

function cells({ server, status, calls, lastCheckIn, serviceUrl }: FeatureServerRow, now: number): string[] {
  const checkIn = lastCheckIn === null ? 'never' : `${duration(now - lastCheckIn)} ago`;
  return [printable(server), status, calls === null ? '?' : String(calls), checkIn, printable(serviceUrl ?? '')];
}
