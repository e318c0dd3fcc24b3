import { defineCommand } from 'citty';
import { printable } from '../../lib/text.ts';
import { askSidecar, JSON_FLAG, show } from '../sidecar.ts';

export default defineCommand({
  meta: {
    name: 'clear',
    description: 'Lift the ban of an address at every sidecar of the cluster; without one, all bans',
  },
  args: {
    ip: {
      type: 'positional',
      valueHint: 'ip',
      required: false,
      description: 'address, or a network as `ban list` shows it',
    },
    ...JSON_FLAG,
  },
  async run({ args: { ip, ...args } }) {
    const answer = await askSidecar('ban-clear', ip === undefined ? {} : { ip });
    const { lifted } = answer;
    await show(args, answer, `✓ ${printable(sentence(lifted, ip))}`);
  },
});

function sentence(lifted: readonly string[], ip: string | undefined): string {
  if (lifted.length === 1) return `1 ban lifted: ${lifted[0]}`;
  if (lifted.length > 1) return `${lifted.length} bans lifted`;
  return ip === undefined ? 'nothing is banned' : `${ip} is not banned`;
}
