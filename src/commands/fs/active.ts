import { defineCommand } from 'citty';
import { askSidecar, JSON_FLAG, show } from '../sidecar.ts';
import { bulleted } from './server.ts';

export default defineCommand({
  meta: { name: 'active', description: 'List the feature servers that accept calls, as ip:port' },
  args: JSON_FLAG,
  async run({ args }) {
    const answer = await askSidecar('fs-available', {});
    const none = 'No active feature servers found';
    await show(
      args,
      answer,
      answer.available.length > 0 ? bulleted('Available feature servers:', answer.available) : none,
    );
  },
});
