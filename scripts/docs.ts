/** Writes the generated pages of docs/. */
import { configurationDocs } from '../src/config/docs.ts';

await Bun.write(new URL('../docs/configuration.md', import.meta.url), configurationDocs());
