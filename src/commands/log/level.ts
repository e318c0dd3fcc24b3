import { defineCommand } from 'citty';
import { LOG_LEVELS } from '../../admin/protocol.ts';
import { printable } from '../../lib/text.ts';
import { askSidecar, JSON_FLAG, show } from '../sidecar.ts';

const KEY = 'logLevel';

export default defineCommand({
  meta: { name: 'level', description: 'Show the lowest level that is logged, or change it until the sidecar stops' },
  args: {
    level: { type: 'positional', required: false, description: LOG_LEVELS.join(', ') },
    ...JSON_FLAG,
  },
  async run({ args: { level, ...args } }) {
    if (level === undefined) {
      const answer = await askSidecar('get', { key: KEY });
      return show(args, answer, printable(String(answer.value)));
    }
    const answer = await askSidecar('set', { key: KEY, value: level });
    await show(args, answer, `✓ ${printable(String(answer.value))}`);
  },
});
