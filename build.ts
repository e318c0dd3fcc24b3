/** Builds dist/sbc-sip-sidecar, or the file that is named: one file with everything in it, the same to the byte for one commit. */
import { $ } from 'bun';

const stamps = [
  '--define',
  `BUILD_COMMIT=${JSON.stringify(await commit())}`,
  '--define',
  `BUILD_DATE=${JSON.stringify(await date())}`,
];

await $`${process.execPath} build --compile --splitting --bytecode --format=esm --minify-syntax --minify-whitespace --sourcemap=none \
  --define ${'process.env.NODE_ENV="production"'} ${stamps} --no-compile-autoload-dotenv --no-compile-autoload-bunfig \
  src/main.ts --outfile ${process.argv[2] ?? 'dist/sbc-sip-sidecar'}`;

/** GIT_COMMIT names the commit where there is no git, as in a container. */
async function commit(): Promise<string> {
  const named = process.env.GIT_COMMIT || (await git('rev-parse', '--short=12', 'HEAD'));
  if (!named) return 'unknown';
  const changed = process.env.GIT_COMMIT ? '' : await git('status', '--porcelain', 'src', 'build.ts', 'package.json');
  return changed ? `${named}-dirty` : named;
}

/** Day of SOURCE_DATE_EPOCH (reproducible-builds.org), or of the commit. */
async function date(): Promise<string> {
  const seconds = process.env.SOURCE_DATE_EPOCH || (await git('log', '-1', '--format=%ct'));
  return /^\d{1,11}$/.test(seconds) ? new Date(Number(seconds) * 1000).toISOString().slice(0, 10) : 'unknown';
}

/** The output of a git command in this directory; '' when it fails, or there is no git. */
async function git(...args: readonly string[]): Promise<string> {
  const { exitCode, stdout } = await $`git ${args}`
    .cwd(import.meta.dir)
    .nothrow()
    .quiet();
  return exitCode === 0 ? stdout.toString().trim() : '';
}
