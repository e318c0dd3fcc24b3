/** Writes what is generated: pages of docs/, the man page, the environment file of the packages. */
import { cliDocs } from '../src/commands/docs.ts';
import { cliSchema } from '../src/commands/json-schema.ts';
import { manPage } from '../src/commands/man.ts';
import { root } from '../src/commands/root.ts';
import { configurationDocs } from '../src/config/docs.ts';
import { environmentFile } from '../src/config/environment-file.ts';

await Bun.write(new URL('../docs/configuration.md', import.meta.url), configurationDocs());
await Bun.write(new URL('../docs/cli.md', import.meta.url), await cliDocs(root));
await Bun.write(new URL('../docs/cli.schema.json', import.meta.url), await cliSchema(root));
await Bun.write(new URL('../man/sbc-sip-sidecar.1', import.meta.url), await manPage(root));
await Bun.write(new URL('../packaging/environment', import.meta.url), environmentFile());
