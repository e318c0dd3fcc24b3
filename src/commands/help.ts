import { defineCommand } from 'citty';
import { runCommandLine } from './run.ts';
import { JSON_FLAG } from './sidecar.ts';

export default defineCommand({
  meta: { name: 'help', description: 'Show the usage of a command, as --help does' },
  args: {
    command: { type: 'positional', required: false, description: 'a command, such as fs' },
    subcommand: { type: 'positional', required: false, description: 'a command of that group, such as drain' },
    ...JSON_FLAG,
  },
  async run({ args }) {
    const { root } = await import('./root.ts');
    await runCommandLine(root, [...args._, '--help', ...(args.json ? ['--json'] : [])]);
  },
});
