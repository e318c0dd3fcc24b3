import { defineCommand } from 'citty';
import { printable } from '../lib/text.ts';
import { json } from './output.ts';
import { askSidecar, JSON_FLAG, show } from './sidecar.ts';

export default defineCommand({
  meta: { name: 'list', description: 'Show all settings of the running sidecar' },
  args: JSON_FLAG,
  async run({ args }) {
    const answer = await askSidecar('list', {});
    const lines = Object.entries(answer.config).map(([key, value]) => `  ${printable(key)} = ${json(value)}`);
    const settings = lines.length > 0 ? lines : ['  (no configuration set)'];
    await show(args, answer, ['Runtime Configuration:', ...settings].join('\n'));
  },
});
