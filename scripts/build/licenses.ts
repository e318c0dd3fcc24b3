import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { license, name, version } from '../../package.json';
import type { LicenseText } from '../../src/lib/licenses.ts';
import { locked } from './lock.ts';
import type { BundledPackage } from './packages.ts';
import { RUNTIME_PARTS } from './runtime-parts.ts';

/** Of all texts together: they are in every binary. */
const MAX_CHARACTERS = 300_000;
/** Ours is the same licence. */
const MIT_TERMS = /^Permission is hereby granted[\s\S]*/m;
const LICENSE_FILE = /^(licen[cs]e|copying|notice)/i;

/** The licence of the sidecar, those of the packages inside, and those of Bun. */
export async function licenseTexts(packages: readonly BundledPackage[]): Promise<readonly LicenseText[]> {
  const own = { name, version, license, text: await readText('LICENSE') };
  const theirs = await Promise.all(packages.map(textOf));
  const all = [own, ...theirs, await bunText()];
  const characters = all.reduce((sum, { text }) => sum + text.length, 0);
  if (characters > MAX_CHARACTERS) throw new Error(`the licences have ${characters} characters`);
  return all;
}

async function textOf({ directory, name, version, license }: BundledPackage): Promise<LicenseText> {
  const files = (await readdir(directory)).sort();
  const texts = await Promise.all(
    files.filter((file) => LICENSE_FILE.test(file)).map((file) => readText(join(directory, file))),
  );
  if (texts.length > 0) return { name, version, license, text: texts.join('\n\n') };
  const readme = files.find((file) => /^readme/i.test(file));
  const [section] = /^#+ *licen[cs]e[\s\S]*/im.exec(readme ? await readText(join(directory, readme)) : '') ?? [];
  return {
    name,
    version,
    license,
    text: section ?? `The package has no more about its licence than its name: ${license}.`,
  };
}

async function bunText(): Promise<LicenseText> {
  const parts = RUNTIME_PARTS.map((part) => `  ${part.name}: ${part.license} (${part.source})`);
  const text = [
    'Bun (https://github.com/oven-sh/bun) is licensed under the MIT license:',
    '',
    MIT_TERMS.exec(await readText('LICENSE'))?.[0] ?? '',
    '',
    'It is linked statically with these libraries:',
    ...parts,
    '',
    'JavaScriptCore and TinyCC are covered by the GNU Lesser General Public License, version 2.1, which follows. Their sources',
    'are at the addresses above. `bun build.ts`, in the sources of this program, joins its modules with the Bun that runs',
    'it, which may be one with a changed JavaScriptCore or TinyCC.',
    '',
    await readText(join(import.meta.dir, 'LGPL-2.1.txt')),
  ];
  return { name: 'bun', version: locked('node_modules/bun').version, license: 'MIT', text: text.join('\n') };
}

/** Form feeds and other control characters are for printers. */
async function readText(path: string): Promise<string> {
  const text = await Bun.file(path).text();
  return text
    .replaceAll('\r\n', '\n')
    .replace(/[^\P{Cc}\n\t]/gu, '')
    .trim();
}
