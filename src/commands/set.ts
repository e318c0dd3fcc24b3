import { defineCommand } from 'citty';
import { SETTINGS } from '../admin/protocol.ts';
import { didYouMean } from '../lib/nearest.ts';
import { printable } from '../lib/text.ts';
import { json, printError } from './output.ts';
import { askSidecar, JSON_FLAG, show } from './sidecar.ts';

export default defineCommand({
  meta: { name: 'set', description: 'Change a setting of the running sidecar until it stops' },
  args: {
    key: { type: 'positional', required: true, description: 'the name of a setting, such as logLevel' },
    value: { type: 'positional', required: true, description: 'a value, taken as text' },
    ...JSON_FLAG,
  },
  async run({ args }) {
    const answer = await askSidecar('set', { key: args.key, value: args.value });
    await show(args, answer, `✓ ${printable(answer.key)} = ${json(answer.value)}`);
    const hint = didYouMean(args.key, SETTINGS);
    if (!answer.effect) await printError(`note: ${printable(answer.key)} has no effect in this version${hint}`);
  },
});
