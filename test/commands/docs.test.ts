import { expect, test } from 'bun:test';
import { cliDocs } from '../../src/commands/docs.ts';
import { root } from '../../src/commands/root.ts';

test('docs/cli.md is up to date, and has an example of every command', async () => {
  const docs = await cliDocs(root);
  expect(await Bun.file(new URL('../../docs/cli.md', import.meta.url)).text()).toBe(docs);
  for (const [, command] of docs.matchAll(/^## (.+)$/gm)) expect(docs).toContain(`\n$ sbc-sip-sidecar ${command}`);
});
