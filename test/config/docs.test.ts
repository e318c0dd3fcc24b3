import { expect, test } from 'bun:test';
import { configurationDocs } from '../../src/config/docs.ts';

test('docs/configuration.md is up to date', async () => {
  const written = await Bun.file(new URL('../../docs/configuration.md', import.meta.url)).text();
  expect(written).toBe(configurationDocs());
});
