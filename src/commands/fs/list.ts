import { defineCommand } from 'citty';
import { askSidecar, JSON_FLAG, show } from '../sidecar.ts';
import { painter } from '../terminal.ts';
import { serverTable } from './table.ts';

export default defineCommand({
  meta: { name: 'list', description: 'Show every feature server: state, calls, last check-in, service URL' },
  args: JSON_FLAG,
  async run({ args }) {
    const answer = await askSidecar('fs-list', {});
    await show(args, answer, serverTable(answer, await painter()));
  },
});
