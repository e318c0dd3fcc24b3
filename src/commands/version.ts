import { defineCommand } from 'citty';
import type { LicenseText } from '../lib/licenses.ts';
import { BUILT, COMMIT, VERSION } from '../lib/version.ts';
import { fieldLines } from './fields.ts';
import { json, print } from './output.ts';
import { JSON_FLAG } from './sidecar.ts';
import { painter } from './terminal.ts';

const BETWEEN = `\n\n${'-'.repeat(80)}\n`;

export default defineCommand({
  meta: { name: 'version', description: 'Show the version of this program, its commit, its date, and that of Bun' },
  args: {
    ...JSON_FLAG,
    licenses: { type: 'boolean', description: 'Print the licences of all that is inside the binary' },
  },
  async run({ args }) {
    const answer = { success: true, version: VERSION, commit: COMMIT, built: BUILT, bun: Bun.version };
    if (args.licenses) {
      const { LICENSES } = await import('../lib/licenses.ts');
      return void (await print(args.json ? json({ ...answer, licenses: LICENSES }) : licensesText(LICENSES)));
    }
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

function licensesText(all: readonly LicenseText[]): string {
  if (all.length === 0) return 'This is no compiled binary: the packages and their licences are in node_modules.';
  return all.map(({ name, version, license, text }) => `${name} ${version} (${license})\n\n${text}`).join(BETWEEN);
}
