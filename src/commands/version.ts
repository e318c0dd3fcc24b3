import { defineCommand } from 'citty';
import { BUILT, COMMIT, VERSION } from '../lib/version.ts';
import { fieldLines } from './fields.ts';
import { json, print } from './output.ts';
import { JSON_FLAG } from './sidecar.ts';
import { painter } from './terminal.ts';

const RULE = '-'.repeat(80);

export default defineCommand({
  meta: { name: 'version', description: 'Show the version of this program, its commit, its date, and that of Bun' },
  args: {
    ...JSON_FLAG,
    licenses: { type: 'boolean', description: 'Print the licences of all that is inside the binary' },
  },
  async run({ args }) {
    if (args.licenses) return void (await print(await licenses(args.json === true)));
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

async function licenses(asJson: boolean): Promise<string> {
  const { LICENSES } = await import('../lib/licenses.ts');
  if (asJson) return json({ success: true, licenses: LICENSES });
  if (LICENSES.length === 0) return 'This is no compiled binary: the packages and their licences are in node_modules.';
  return LICENSES.map(({ name, version, license, text }) => `${name} ${version} (${license})\n\n${text}`).join(
    `\n\n${RULE}\n`,
  );
}
