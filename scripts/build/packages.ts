import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { locked, sha512Of } from './lock.ts';

/** A package of which a part is inside the binary. */
export interface BundledPackage {
  /** Where it is installed: `node_modules/pino`, or within another package. */
  readonly directory: string;
  readonly name: string;
  readonly version: string;
  /** An SPDX expression. */
  readonly license: string;
  /** Of the package's archive, in hex. */
  readonly sha512: string;
  /** Whether our own modules import it. */
  readonly direct: boolean;
  /** Directories of the packages that it imports. */
  readonly imports: readonly string[];
}

/** Licences that package.json does not name, and another file of the package does. */
const NAMED_ELSEWHERE: Readonly<Record<string, string>> = { only: 'MIT' };
const OURS = '';

/** The packages inside a bundle, in the order of their directories. What the bundler has left out does not count. */
export function packagesIn({ inputs, outputs }: Bun.BuildMetafile): readonly BundledPackage[] {
  const inside = new Set<string>();
  for (const output of Object.values(outputs))
    for (const [path, { bytesInOutput }] of Object.entries(output.inputs))
      if (bytesInOutput > 0) inside.add(directoryOf(path));
  const importsOf = (directory: string) => {
    const modules = Object.entries(inputs).filter(([path]) => directoryOf(path) === directory);
    const imported = modules.flatMap(([, module]) =>
      module.imports.map((one) => directoryOf(one.entryPoint ?? one.path)),
    );
    return inside.intersection(new Set(imported)).difference(new Set([directory, OURS]));
  };
  const direct = importsOf(OURS);
  const directories = [...inside].filter((directory) => directory !== OURS).sort();
  return directories.map((directory) => {
    const entry = locked(directory);
    return {
      directory,
      ...named(directory),
      version: entry.version,
      sha512: sha512Of(entry),
      direct: direct.has(directory),
      imports: [...importsOf(directory)].sort(),
    };
  });
}

/** The package of a module; '' for a module of ours. */
function directoryOf(path: string): string {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? OURS;
}

function named(directory: string): { name: string; license: string } {
  const manifest: { name: string; license?: unknown } = JSON.parse(
    readFileSync(join(directory, 'package.json'), 'utf8'),
  );
  const license = typeof manifest.license === 'string' ? manifest.license : NAMED_ELSEWHERE[manifest.name];
  if (license === undefined) throw new Error(`${directory} names no licence`);
  return { name: manifest.name, license };
}
