import { join } from 'node:path';
import type { Result } from './results.ts';
import { table } from './table.ts';
import { targets } from './targets.ts';

const README = join(import.meta.dir, '../README.md');

/** Puts the latest table and targets between the markers of bench/README.md. */
export async function updateReadme(results: readonly Result[]): Promise<void> {
  const page = await Bun.file(README).text();
  await Bun.write(README, withResults(page, results));
}

/** A page with the generated parts replaced. */
export function withResults(page: string, results: readonly Result[]): string {
  const withTargets = replaced(page, 'targets', targets(results));
  return replaced(withTargets, 'table', `${conditions(results)}\n\n${table(results)}`);
}

/** When and on what the results were measured. */
export function conditions(results: readonly Result[]): string {
  const days = [...new Set(results.map(({ date }) => date.slice(0, 10)))].join(', ');
  const machines = [...new Set(results.map(({ machine }) => machine))].join('; ');
  const versions = Object.assign({}, ...results.map((result) => result.versions));
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const { runs, seconds, warmup } = results[0]?.settings ?? {};
  return (
    `Measured ${days} on ${machines}; ${named.join(', ')}. ${runs} runs of ${seconds} s in turn after ${warmup} s of ` +
    'warm-up; median (minimum–maximum).'
  );
}

function replaced(page: string, name: string, content: string): string {
  const [start, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  const [from, to] = [page.indexOf(start), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`bench/README.md has no ${start} … ${end}`);
  return `${page.slice(0, from + start.length)}\n${content}\n${page.slice(to)}`;
}
