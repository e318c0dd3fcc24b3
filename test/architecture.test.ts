import { expect, test } from 'bun:test';
import { Glob } from 'bun';

const SRC = new URL('../src/', import.meta.url).pathname;

const DRIVERS = '^(ioredis|mysql2|kysely|bun:sqlite|drachtio-srf)';

/** Folder → what it may not import. Drivers are the adapters' alone. */
const FORBIDDEN: Record<string, RegExp> = {
  '{register,options,regbot,gateways,addresses,admin,digest,webhook,provision,ports,sip,lib}/**': new RegExp(
    `/(adapters|edge|commands|config|sidecar)/|${DRIVERS}`,
  ),
  'edge/**': new RegExp(`/(adapters|register|webhook|digest|config|commands|sidecar)/|${DRIVERS}`),
  'adapters/**': /\/(register|options|regbot|gateways|admin|provision|edge|commands|sidecar)\//,
  '{commands,config}/**': /^(ioredis|mysql2|drachtio-srf)/,
  'main.ts': /^\.\/(?!commands\/(run|root)\.ts)/,
  // Clients of the admin socket start in milliseconds: the other end, Config and slow modules of the runtime are not theirs.
  'commands/{fs,trunk,gateway,completion}/**': /\/(config|adapters|sidecar)\/|admin\/server|^node:(net|fs|util|tty)/,
  'admin/{client,line-connection,errors,protocol}.ts': /^(?!\.\/|valibot$)/,
  'sip/**': /^\.\.\//,
};

test.each(Object.entries(FORBIDDEN))('%s imports nothing it should not', async (pattern, forbidden) => {
  const wrong: string[] = [];
  let files = 0;
  for await (const path of new Glob(pattern.endsWith('.ts') ? pattern : `${pattern}/*.ts`).scan(SRC)) {
    files++;
    const text = await Bun.file(`${SRC}${path}`).text();
    for (const [, from = ''] of text.matchAll(/(?:from|import\()\s*'([^']+)'/g))
      if (forbidden.test(from)) wrong.push(`${path}: ${from}`);
  }
  expect(wrong).toEqual([]);
  expect(files).toBeGreaterThan(0);
});
