import { expect, test } from 'bun:test';
import { posix } from 'node:path';
import { Glob } from 'bun';

const ROOT = new URL('../', import.meta.url).pathname;

/** A row of the table in docs/architecture.md. A name is a file, a package, or a folder when it ends in a slash. */
interface Row {
  readonly names: readonly string[];
  readonly allowed: readonly string[];
}

const page = await Bun.file(`${ROOT}docs/architecture.md`).text();
const arrows = /\n## Arrows\n(.*?)\n## /s.exec(page)?.[1] ?? '';
const rows: readonly Row[] = arrows
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => {
    const [, names = [], folders = [], packages = []] = line
      .split('|')
      .map((cell) => [...cell.matchAll(/`(.+?)`/g)].map(([, name = '']) => name));
    return { names, allowed: [...folders, ...packages] };
  });

const paths = await Array.fromAsync(new Glob('**/*.ts').scan(`${ROOT}src`));
const imports = new Map(await Promise.all(paths.map(async (path) => [path, await importsOf(path)] as const)));

/** The imports of a file, of types too; those of our own files by their path in src. */
async function importsOf(path: string): Promise<readonly string[]> {
  const text = await Bun.file(`${ROOT}src/${path}`).text();
  const found = text.matchAll(
    /^(?:import|export|\}).* from '([^']+)'(?: with .*)?;$|^import '(.+)';$|\bimport\('(.+?)'\)/gm,
  );
  return [...found].map(([, from, bare, lazy]) => {
    const name = from ?? bare ?? lazy ?? '';
    if (!name.startsWith('.')) return name;
    return posix.join(posix.dirname(path), name).replace('../package.json', 'package.json');
  });
}

function covers(name: string, path: string): boolean {
  return path === name || path.startsWith(name.endsWith('/') ? name : `${name}/`);
}

/** The row with the longest name that covers a file. */
function rowOf(path: string): Row | undefined {
  const names = rows.flatMap((row) => row.names).filter((name) => covers(name, path));
  const longest = names.toSorted((a, b) => b.length - a.length)[0];
  return rows.find((row) => longest !== undefined && row.names.includes(longest));
}

test('every file has a row', () => {
  expect(paths.filter((path) => !rowOf(path))).toEqual([]);
});

test.each(rows.map((row) => [row.names.join(', '), row] as const))('%s imports what its row names', (_, row) => {
  const actual = paths
    .filter((path) => rowOf(path) === row)
    .flatMap((path) => (imports.get(path) ?? []).map((imported) => ({ path, imported })))
    .filter(({ imported }) => !row.names.some((name) => covers(name, imported)));
  const forbidden = actual.filter(({ imported }) => !row.allowed.some((name) => covers(name, imported)));
  expect(forbidden).toEqual([]);
  const unused = row.allowed.filter((name) => !actual.some(({ imported }) => covers(name, imported)));
  expect(unused).toEqual([]);
});
