import { defineCommand } from 'citty';
import { BUILT, COMMIT, VERSION } from '../lib/version.ts';
import { fieldLines } from './fields.ts';
import { json, print } from './output.ts';
import { JSON_FLAG } from './sidecar.ts';
import { painter } from './terminal.ts';

export default defineCommand({
  meta: { name: 'version', description: 'Show the version of this program, its commit, its date, and that of Bun' },
  args: JSON_FLAG,
  async run({ args }) {
    const answer = { success: true, version: VERSION, commit: COMMIT, built: BUILT, bun: Bun.version };
    if (args.json) return void (await print(json(answer)));
    const fields = [
      ['Version', VERSION],
      ['Commit', COMMIT],
      ['Built', BUILT],
      ['Bun', Bun.version],
    ] as const;
    await print(fieldLines(fields, await painter()));
  },
});
