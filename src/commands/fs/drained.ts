import { defineCommand } from 'citty';
import { askSidecar, JSON_FLAG, show } from '../sidecar.ts';
import { bulleted } from './server.ts';

export default defineCommand({
  meta: { name: 'drained', description: 'List the IP addresses of drained feature servers' },
  args: JSON_FLAG,
  async run({ args }) {
    const answer = await askSidecar('fs-drained', {});
    const none = 'No servers are currently drained';
    await show(args, answer, answer.drained.length > 0 ? bulleted('Drained servers:', answer.drained) : none);
  },
});
