/** Writes the generated pages of docs/. */
import { cliDocs } from '../src/commands/docs.ts';
import { root } from '../src/commands/root.ts';
import { configurationDocs } from '../src/config/docs.ts';

await Bun.write(new URL('../docs/configuration.md', import.meta.url), configurationDocs());
await Bun.write(new URL('../docs/cli.md', import.meta.url), await cliDocs(root));
