import { expect, test } from 'bun:test';
import { join } from 'node:path';

const ROOT = join(import.meta.dir, '../..');
const list = await Bun.file(join(ROOT, 'docs/attacks.md')).text();
const rows = [...list.matchAll(/^\| (.+) \| .+ \| `(.+)`: (.+) \|$/gm)].map(
  ([, attack = '', file = '', name = '']) => ({
    attack,
    file,
    name,
  }),
);

test('docs/attacks.md names a test for each attack', () => {
  const lines = list.split('\n').filter((line) => /^\| (?!attack |---)/.test(line) && !line.startsWith('|---'));
  expect(rows).toHaveLength(lines.length);
  expect(rows.length).toBeGreaterThan(0);
});

test.each(rows)('the test of "$attack" is there', async ({ file, name }) => {
  const text = await Bun.file(join(ROOT, 'test', file)).text();
  expect(text.includes(name), `${file}: ${name}`).toBe(true);
});
