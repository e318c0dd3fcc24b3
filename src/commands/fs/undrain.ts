import { defineCommand } from 'citty';
import { askSidecar, JSON_FLAG, show } from '../sidecar.ts';
import { outcome, SERVER } from './server.ts';

export default defineCommand({
  meta: { name: 'undrain', description: 'Put a drained feature server back into service' },
  args: { ...SERVER, ...JSON_FLAG },
  async run({ args }) {
    const answer = await askSidecar('fs-undrain', { server: args.server });
    await show(args, answer, outcome('Undrained', answer.server, answer.drained));
  },
});
