/**
 * Compiles the sidecar into one file that has everything in it: the same to the byte for one commit, wherever it is built.
 *
 *   bun build.ts [FILE]                    for this machine: dist/sbc-sip-sidecar, or FILE
 *   bun build.ts --target linux-arm64      dist/sbc-sip-sidecar-VERSION-linux-arm64; repeat it for several
 *   bun build.ts --target linux-arm64 FILE
 *   bun build.ts --all                     for every target
 *
 * Beside each binary goes its SBOM, with `.cdx.json` behind its name; beside those for named targets, dist/SHA256SUMS.
 */
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { version } from './package.json';
import { bundle, compile } from './scripts/build/compile.ts';
import { licenseTexts } from './scripts/build/licenses.ts';
import { packagesIn } from './scripts/build/packages.ts';
import { hostRuntime, runtimeFor, TARGETS, targetNamed } from './scripts/build/runtimes.ts';
import { sbom } from './scripts/build/sbom.ts';
import { sha256 } from './scripts/build/sha256.ts';
import { readStamp } from './scripts/build/stamp.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { all: { type: 'boolean', default: false }, target: { type: 'string', multiple: true, default: [] } },
});
const targets = values.all ? TARGETS : values.target.map(targetNamed);
const [file, ...others] = positionals.map((path) => resolve(path));
if (others.length > 0 || (file !== undefined && targets.length > 1)) throw new Error('one FILE, for one target');
process.chdir(import.meta.dir);

const stamp = await readStamp();
const packages = packagesIn(await bundle());
const licenses = await licenseTexts(packages);
const runtimes = targets.length === 0 ? [hostRuntime()] : await Promise.all(targets.map(runtimeFor));
const written: string[] = [];
for (const runtime of runtimes) {
  const released = `dist/sbc-sip-sidecar-${version}-${runtime.target.name}`;
  const outfile = file ?? (targets.length === 0 ? 'dist/sbc-sip-sidecar' : released);
  const inside = packagesIn(await compile({ runtime, outfile, stamp, licenses }));
  const missing = inside.find(({ directory }) => !packages.some((known) => known.directory === directory));
  if (missing) throw new Error(`${missing.directory} is inside, and its licence is not`);
  await Bun.write(`${outfile}.cdx.json`, await sbom({ outfile, runtime, packages: inside, stamp }));
  written.push(outfile, `${outfile}.cdx.json`);
}
if (targets.length > 0 && file === undefined) await Bun.write(join('dist', 'SHA256SUMS'), await sums(written));

/** For `sha256sum -c` in the directory of the files. */
async function sums(paths: readonly string[]): Promise<string> {
  const lines = await Promise.all(paths.map(async (path) => `${await sha256(path)}  ${basename(path)}\n`));
  return lines.join('');
}
