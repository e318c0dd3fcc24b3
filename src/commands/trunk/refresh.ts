import { defineCommand } from 'citty';
import { printable } from '../../lib/text.ts';
import { askSidecar, JSON_FLAG, show } from '../sidecar.ts';
import { GATEWAY_SID } from './sid.ts';

export default defineCommand({
  meta: {
    name: 'refresh',
    description: 'Read the carriers from the database now; with a SID, also register at that gateway now',
  },
  args: { gateway: { ...GATEWAY_SID, required: false }, ...JSON_FLAG },
  async run({ args: { gateway, ...args } }) {
    const answer = await askSidecar('trunk-refresh', gateway === undefined ? {} : { gateway });
    await show(args, answer, `✓ ${printable(answer.refreshed)}`);
  },
});
