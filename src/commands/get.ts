import { defineCommand } from 'citty';
import { SETTINGS } from '../admin/protocol.ts';
import { didYouMean } from '../lib/nearest.ts';
import { printable } from '../lib/text.ts';
import { json, print, printError } from './output.ts';
import { EXIT } from './run.ts';
import { askSidecar, JSON_FLAG, show } from './sidecar.ts';

export default defineCommand({
  meta: { name: 'get', description: 'Show a setting of the running sidecar' },
  args: {
    key: { type: 'positional', required: true, description: 'the name of a setting, such as logLevel' },
    ...JSON_FLAG,
  },
  async run({ args }) {
    const answer = await askSidecar('get', { key: args.key });
    const key = printable(answer.key);
    if (answer.value !== undefined) return show(args, answer, `${key} = ${json(answer.value)}`);
    if (args.json) await print(json(answer));
    await printError(`${key} is not set${didYouMean(key, SETTINGS)}`);
    process.exitCode = EXIT.failed;
  },
});
