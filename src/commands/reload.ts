import { defineCommand } from 'citty';
import { printable } from '../lib/text.ts';
import { askSidecar, JSON_FLAG, show } from './sidecar.ts';

export default defineCommand({
  meta: { name: 'reload', description: 'Read the provisioning file again and forget cached accounts, as SIGHUP does' },
  args: JSON_FLAG,
  async run({ args }) {
    const answer = await askSidecar('reload', {});
    await show(args, answer, printable(answer.message));
  },
});
