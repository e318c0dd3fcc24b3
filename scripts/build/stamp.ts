import { $ } from 'bun';

/** What a binary says of its origin. */
export interface Stamp {
  /** With `-dirty` when the sources had been changed; `unknown` where there is no git. */
  readonly commit: string;
  /** Day of the commit, as `2026-05-04`, or `unknown`. */
  readonly date: string;
  /** Time of the commit (ISO 8601). */
  readonly time: string | undefined;
}

/** What a change of makes another binary. */
const SOURCES = ['src', 'scripts/build', 'build.ts', 'package.json', 'package-lock.json', 'LICENSE'];

/** GIT_COMMIT and SOURCE_DATE_EPOCH (reproducible-builds.org) replace what git says, as in a container, which has no git. */
export async function readStamp(): Promise<Stamp> {
  const seconds = process.env.SOURCE_DATE_EPOCH || (await git('log', '-1', '--format=%ct'));
  const time = /^\d{1,11}$/.test(seconds) ? new Date(Number(seconds) * 1000).toISOString() : undefined;
  return { commit: await commit(), date: time?.slice(0, 10) ?? 'unknown', time };
}

async function commit(): Promise<string> {
  if (process.env.GIT_COMMIT) return process.env.GIT_COMMIT;
  const head = await git('rev-parse', '--short=12', 'HEAD');
  if (!head) return 'unknown';
  return (await git('status', '--porcelain', ...SOURCES)) ? `${head}-dirty` : head;
}

/** The output of a git command; '' when it fails, or there is no git. */
async function git(...args: readonly string[]): Promise<string> {
  const { exitCode, stdout } = await $`git ${args}`.nothrow().quiet();
  return exitCode === 0 ? stdout.toString().trim() : '';
}
