/** What a slow disk does to phones: registrations wait for it, all other requests should not. */

import { join } from 'node:path';
import { temporaryDirectory } from '../../test/support/cleanup.ts';
import { binariesFlag } from '../lib/binaries.ts';
import { jsonFlag, runBenchmark } from '../lib/command.ts';
import type { Flags } from '../lib/flags.ts';
import type { Latency } from '../lib/latency.ts';
import { machine, Watch } from '../lib/proc.ts';
import { portOf } from '../lib/server.ts';
import { REALM, type Sidecar, startSidecar } from '../lib/sidecar.ts';
import { type Spread, spread } from '../lib/spread.ts';
import type { Counts } from '../register/counts.ts';
import { Load } from '../register/load.ts';
import type { Work } from '../register/user-agent.ts';

interface Side {
  readonly name: string;
  readonly sidecar: Sidecar;
  readonly loads: readonly { readonly work: Work; readonly rate: number; readonly load: Load }[];
  readonly runs: Map<string, number>[];
}

const CONCURRENCY = 50;

void runBenchmark({
  about: `Loads the compiled sidecar with --embedded while every sync to disk takes longer: full registrations, and refreshes and
OPTIONS of other users meanwhile. Needs a C compiler (cc) for the library that delays fsync and fdatasync.

  bun bench/disk/index.ts [--binary old=/tmp/old --binary new=dist/sbc-sip-sidecar] [--delay 10] [--smoke]`,
  failsWhen: 'a request is not answered, or there is no C compiler',
  settings,
  run,
});

function settings(flags: Flags) {
  return {
    binaries: binariesFlag(flags),
    delay: flags.whole('delay', { value: 'ms', help: 'added to each sync', default: 10, min: 0, max: 1000 }),
    rate: flags.number('rate', { help: 'full registrations a second', default: 1000, smoke: 50 }),
    others: flags.number('others', { help: 'refreshes a second, and as many OPTIONS', default: 200, smoke: 20 }),
    users: flags.whole('users', { help: 'that register, and as many that refresh', default: 1000, smoke: 200 }),
    seconds: flags.number('seconds', { value: 's', help: 'length of a run', default: 10, smoke: 2, max: 86_400 }),
    warmup: flags.number('warmup', { value: 's', help: 'before the first run', default: 5, smoke: 0.5, min: 0 }),
    runs: flags.whole('runs', { help: 'runs per binary', default: 3, smoke: 1, max: 1000 }),
    json: jsonFlag(flags),
    smoke: flags.toggle('smoke', 'one run of 2 s at 50 registrations a second'),
  };
}

type Settings = ReturnType<typeof settings>;

async function run(options: Settings): Promise<void> {
  const library = await compile();
  const sides: Side[] = [];
  for (const binary of options.binaries) sides.push(await startSide(binary, library, options));
  for (const side of sides) await load(side, options.warmup);
  for (let n = 0; n < options.runs; n++) for (const side of sides) side.runs.push(await load(side, options.seconds));
  for (const { loads, sidecar } of sides) {
    for (const { load } of loads) load.close();
    await sidecar.stop();
  }
  print(options, sides);
  if (sides.some(({ runs }) => runs.some((run) => (run.get('unanswered or wrong') ?? 0) > 0))) process.exitCode = 1;
}

/** Compiles slow-sync.c. @throws when there is no C compiler */
async function compile(): Promise<string> {
  if (!Bun.which('cc')) throw new Error('this benchmark needs a C compiler: cc is not installed');
  const library = join(temporaryDirectory('disk'), 'slow-sync.so');
  const source = join(import.meta.dir, 'slow-sync.c');
  const { exited } = Bun.spawn(['cc', '-shared', '-fPIC', '-O2', '-o', library, source], { stdio: ['ignore', 2, 2] });
  if ((await exited) !== 0) throw new Error(`cc cannot compile ${source}`);
  return library;
}

async function startSide(
  { name, path }: Settings['binaries'][number],
  library: string,
  { delay, rate, others, users }: Settings,
): Promise<Side> {
  const env = { LD_PRELOAD: library, SLOW_SYNC_MS: String(delay), JAMBONES_LOGLEVEL: 'info' };
  const sidecar = await startSidecar(path, { listen: ['udp'], users: 2 * users, env });
  const target = { host: '127.0.0.1', port: portOf(sidecar, 'udp') };
  const phones = { target, realm: REALM, users, userPattern: 'user%d', passwordPattern: 'secret%d', expires: 3600 };
  const open = (firstUser: number) => Load.open({ ...phones, firstUser, sources: 20 });
  const refreshing = await open(users + 1);
  await refreshing.enrol(CONCURRENCY);
  const loads = [
    { work: 'full', rate, load: await open(1) },
    { work: 'refresh', rate: others, load: refreshing },
    { work: 'options', rate: others, load: await open(1) },
  ] as const;
  return { name, sidecar, loads, runs: [] };
}

/** Runs all three loads at the same time. @returns the figures by name */
async function load({ sidecar, loads }: Side, seconds: number): Promise<Map<string, number>> {
  const watch = new Watch([sidecar]);
  const [full, refresh, options] = await Promise.all(
    loads.map(({ work, rate, load }) => load.run({ work, rate, seconds, concurrency: CONCURRENCY })),
  );
  const [usage] = watch.stop();
  if (!full || !refresh || !options || !usage) throw new Error('a load has no result');
  const failed = ({ unanswered, wrong, skipped }: Counts) => unanswered + wrong + skipped;
  return new Map([
    ...percentiles('registration', full.latency),
    ...percentiles('its challenge', full.pending),
    ...percentiles('refresh', refresh.latency),
    ...percentiles('OPTIONS', options.latency),
    ['CPU ms per registration with its share of the others', usage.cpuMs / full.done],
    ['RSS max MB', usage.rssMb],
    ['unanswered or wrong', failed(full) + failed(refresh) + failed(options)],
  ]);
}

function percentiles(what: string, latency: Latency): [string, number][] {
  return [
    [`${what} p50 ms`, latency.percentile(0.5)],
    [`${what} p99 ms`, latency.percentile(0.99)],
  ];
}

function summary({ runs }: Side): Map<string, Spread> {
  const names = [...(runs[0]?.keys() ?? [])];
  return new Map(names.map((name) => [name, spread(runs.map((run) => run.get(name) ?? Number.NaN))]));
}

function print({ json, delay, rate, others, users, seconds, runs }: Settings, sides: readonly Side[]): void {
  if (json) {
    const binaries = sides.map((side) => ({ name: side.name, summary: Object.fromEntries(summary(side)) }));
    const settings = { delay, rate, others, users, seconds, runs };
    console.log(JSON.stringify({ machine: machine(), settings, binaries }, null, 2));
    return;
  }
  console.log(machine());
  console.log(
    `each sync takes ${delay} ms longer; ${rate} registrations/s, ${others} refreshes/s, ${others} OPTIONS/s;`,
  );
  console.log(`${runs} runs of ${seconds} s: median (min–max)`);
  for (const side of sides) {
    console.log(`\n${side.name}`);
    for (const [name, { median, min, max }] of summary(side))
      console.log(`  ${name.padEnd(54)} ${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`);
  }
}
