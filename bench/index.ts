import { join, resolve } from 'node:path';
import { sidecarBinary } from '../test/support/binary.ts';
import { runCleanup } from '../test/support/cleanup.ts';
import { jsonFlag, messageOf, type Report, runBenchmark } from './lib/command.ts';
import type { Flags } from './lib/flags.ts';
import { machine } from './lib/proc.ts';
import { PARTS } from './parts/index.ts';
import type { Part } from './parts/part.ts';
import { progress } from './register/turns.ts';
import { writePlots } from './report/plots.ts';
import { conditions, updateReadme } from './report/readme.ts';
import { readResults, writeResult } from './report/results.ts';
import { table } from './report/table.ts';
import { targets } from './report/targets.ts';

const NAMES = PARTS.map(({ name }) => name);
const ROOT = join(import.meta.dir, '..');
const RESULTS = 'bench/results';
const SMOKE_RESULTS = 'dist/bench-smoke';

void runBenchmark({
  about: `Measures the compiled sidecar beside bare handlers, Kamailio and, on request, the Node program that it replaces; writes
the results and two plots, and prints one table. Takes a quarter of an hour.

  bun run bench [--only register,load] [--smoke] [--drachtio /usr/bin/drachtio]`,
  failsWhen: 'a part cannot be measured',
  settings,
  run: bench,
});

function settings(flags: Flags) {
  return {
    binary: flags.optionalText('binary', {
      value: 'path',
      help: 'the sidecar; by default dist/sbc-sip-sidecar, built when\nits sources are newer',
    }),
    only: flags.choices('only', NAMES, {
      value: 'part',
      help: `several by commas; ${NAMES.slice(0, 5).join(', ')},\n${NAMES.slice(5).join(', ')}`,
    }),
    render: flags.toggle('render', 'measure nothing; the table and plots of the results that are there'),
    results: flags.optionalText('results', {
      value: 'directory',
      help: `where results and plots are kept; by default ${RESULTS},\nwith --smoke ${SMOKE_RESULTS}`,
    }),
    drachtio: flags.optionalText('drachtio', {
      value: 'path',
      help: 'a drachtio server; without it, the double of the tests',
    }),
    nodeSidecar: flags.optionalText('node-sidecar', {
      value: 'directory',
      help: 'a checkout of the Node program, with node_modules',
    }),
    runs: flags.whole('runs', { help: 'of each program, in turn', default: 5, smoke: 1, max: 100 }),
    seconds: flags.number('seconds', { value: 's', help: 'length of a run', default: 2.5, smoke: 0.2, max: 60 }),
    warmup: flags.number('warmup', {
      value: 's',
      help: 'before the first run',
      default: 10,
      smoke: 0.2,
      min: 0,
      max: 600,
    }),
    json: jsonFlag(flags),
    smoke: flags.toggle('smoke', 'one short run of each; its figures mean nothing'),
  };
}

type Settings = ReturnType<typeof settings>;

async function bench(settings: Settings): Promise<Report> {
  const { only, render, smoke } = settings;
  const directory = resolve(settings.results ?? join(ROOT, smoke ? SMOKE_RESULTS : RESULTS));
  const faults: string[] = [];
  for (const part of PARTS.filter(({ name }) => !render && only.includes(name))) {
    try {
      await measure(part, settings, directory);
    } catch (error) {
      faults.push(`${part.name}: ${messageOf(error)}`);
    }
    progress('');
    // Ends the servers of this part, so that the next has the machine to itself.
    await runCleanup();
  }
  const results = await readResults(directory, NAMES);
  await writePlots(directory, results);
  const text = [conditions(results), table(results), targets(results)].join('\n\n');
  if (directory === join(ROOT, RESULTS)) await updateReadme(results);
  return { figures: { results }, text, faults };
}

async function measure(part: Part, settings: Settings, directory: string): Promise<void> {
  const { runs, seconds, warmup } = settings;
  const binary = settings.binary ?? (await sidecarBinary());
  progress(`${part.name}: starting`);
  const { rows, versions } = await part.measure({ ...settings, binary });
  await writeResult(directory, {
    part: part.name,
    title: part.title,
    date: new Date().toISOString().slice(0, 16),
    machine: machine(),
    versions,
    settings: { runs, seconds, warmup },
    rows,
  });
}
