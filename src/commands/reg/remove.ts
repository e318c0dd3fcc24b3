import { defineCommand } from 'citty';
import { printable } from '../../lib/text.ts';
import { askSidecar, JSON_FLAG, show } from '../sidecar.ts';
import { AOR } from './aor.ts';

export default defineCommand({
  meta: {
    name: 'remove',
    description:
      'Remove the bindings of an AOR, or one of them; the phone does not learn of it, and may register again',
  },
  args: {
    aor: AOR,
    contact: {
      type: 'positional',
      valueHint: 'contact',
      required: false,
      description: 'Contact URI, as `reg show` shows it',
    },
    ...JSON_FLAG,
  },
  async run({ args: { aor, contact, ...args } }) {
    const answer = await askSidecar('reg-remove', { aor, ...(contact !== undefined && { contact }) });
    const { removed, remaining } = answer;
    const left = remaining === 0 ? 'it is offline now' : `${remaining} remaining`;
    const lines = removed.map((uri) => `  ${printable(uri)}`);
    await show(args, answer, [`✓ Removed from ${printable(answer.aor)}, ${left}:`, ...lines].join('\n'));
  },
});
