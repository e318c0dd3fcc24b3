import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { LicenseText } from '../../src/lib/licenses.ts';
import type { Runtime } from './runtimes.ts';
import type { Stamp } from './stamp.ts';

/** Packages that npm may or may not have been able to install, and that we do not use. */
const NEVER_LOADED = ['unix-dgram'];

/**
 * Lazy imports are lazy only with `splitting`. Names are not minified: `error.name` would change. CommonJS packages see the
 * directory inside the binary, or they would see that of the build, which differs and may belong to anyone where they run.
 */
const BUNDLE: Bun.BuildConfig = {
  entrypoints: ['src/main.ts'],
  target: 'bun',
  format: 'esm',
  splitting: true,
  external: NEVER_LOADED,
  minify: { whitespace: true, syntax: true },
  sourcemap: 'none',
  metafile: true,
};
const DEFINED = {
  'process.env.NODE_ENV': '"production"',
  __dirname: '"/$bunfs/root"',
  __filename: '"/$bunfs/root/sbc-sip-sidecar"',
};

/** Bundles the sources without compiling them, to learn which modules are inside. */
export async function bundle(): Promise<Bun.BuildMetafile> {
  return metafileOf(await Bun.build({ ...BUNDLE, define: DEFINED }));
}

export interface Compilation {
  readonly runtime: Runtime;
  readonly outfile: string;
  readonly stamp: Stamp;
  readonly licenses: readonly LicenseText[];
}

/** Writes a binary. @returns what is inside */
export async function compile({ runtime, outfile, stamp, licenses }: Compilation): Promise<Bun.BuildMetafile> {
  await mkdir(dirname(outfile), { recursive: true });
  const directory = await mkdtemp(join(dirname(outfile), '.build-'));
  try {
    // The name of the file gets into it, so it is always the same at first.
    const path = join(directory, 'sbc-sip-sidecar');
    const output = await Bun.build({
      ...BUNDLE,
      bytecode: true,
      define: {
        ...DEFINED,
        BUILD_COMMIT: JSON.stringify(stamp.commit),
        BUILD_DATE: JSON.stringify(stamp.date),
        BUILD_LICENSES: JSON.stringify(licenses),
      },
      compile: {
        target: runtime.target.bunTarget,
        executablePath: runtime.executable,
        outfile: path,
        // Otherwise it would read .env and run the preloads of bunfig.toml in the current directory.
        autoloadDotenv: false,
        autoloadBunfig: false,
      },
    });
    await chmod(path, 0o755);
    await rename(path, outfile);
    return metafileOf(output);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function metafileOf({ metafile }: Bun.BuildOutput): Bun.BuildMetafile {
  if (!metafile) throw new Error('the bundler has written no metafile');
  return metafile;
}
