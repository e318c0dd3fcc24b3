import { defineCommand } from 'citty';
import type { BanRow, Result } from '../../admin/protocol.ts';
import { duration } from '../duration.ts';
import { askSidecar, JSON_FLAG, show } from '../sidecar.ts';
import { type Column, table } from '../table.ts';
import { type Painter, painter } from '../terminal.ts';

export default defineCommand({
  meta: { name: 'list', description: 'Show the banned addresses of the cluster and when each ban ends' },
  args: JSON_FLAG,
  async run({ args }) {
    const answer = await askSidecar('ban-list', {});
    await show(args, answer, listing(answer, await painter()));
  },
});

function listing({ bans, now }: Result<'ban-list'>, painter: Painter): string {
  if (bans.length === 0) return 'No bans';
  const rows = [...bans].sort((a, b) => b.until - a.until || (a.source < b.source ? -1 : 1));
  return `Bans:\n${table(rows, columns(now), painter)}`;
}

function columns(now: number): readonly Column<BanRow>[] {
  return [
    { head: 'SOURCE', cell: ({ source }) => source },
    { head: 'UNTIL', cell: ({ until }) => new Date(until).toISOString() },
    { head: 'LEFT', cell: ({ until }) => duration(until - now) },
  ];
}
