import { readArgs, type Settings, USAGE, UsageError } from './args.ts';
import { Load } from './load.ts';
import { machine, Watch } from './proc.ts';
import { flaw, type Run, table, toJson } from './report.ts';

/** One registrar under load and the runs it has had. */
interface Side {
  readonly name: string;
  readonly load: Load;
  readonly runs: Run[];
}

if (import.meta.main) void main();

async function main(): Promise<void> {
  try {
    const settings = readArgs(process.argv.slice(2));
    if (!settings) return console.log(USAGE);
    const sides = await measure(settings);
    print(settings, sides);
    if (sides.some(({ runs }) => runs.every((run) => flaw(run) !== undefined))) process.exitCode = 1;
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message}\n\n${USAGE}`);
      process.exitCode = 2;
    } else {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
    }
  }
}

/** Warms every target up, then loads them in turn so that what the machine does meanwhile hits all alike. */
async function measure(settings: Settings): Promise<Side[]> {
  const { work, rate, concurrency, seconds, warmup } = settings;
  const sides: Side[] = [];
  try {
    for (const target of settings.targets) {
      sides.push({ name: target.name, load: await Load.open({ ...settings.load, target }), runs: [] });
    }
    for (const { name, load } of sides) {
      progress(`${name}: warming up`);
      if (work === 'refresh') await load.enrol(concurrency);
      if (warmup > 0) await load.run({ work, rate, concurrency, seconds: warmup });
    }
    for (let run = 1; run <= settings.runs; run++) {
      for (const { name, load, runs } of sides) {
        progress(`${name}: run ${run} of ${settings.runs}`);
        const watch = new Watch(settings.processes);
        const counts = await load.run({ work, rate, concurrency, seconds });
        runs.push({ counts, seconds, usage: watch.stop() });
      }
    }
  } finally {
    for (const { load } of sides) load.close();
    progress('');
  }
  return sides;
}

function print(settings: Settings, sides: readonly Side[]): void {
  const { work, rate, concurrency, seconds, warmup, runs, load } = settings;
  if (settings.json) {
    const { users, sources, expires, realm } = load;
    const asked = { work, rate, concurrency, seconds, warmup, runs, users, sources, expires, realm };
    const targets = sides.map((side) => ({ name: side.name, ...toJson(side.runs) }));
    console.log(JSON.stringify({ machine: machine(), settings: asked, targets }, null, 2));
    return;
  }
  const pace = rate > 0 ? `${rate}/s` : `${concurrency} in flight`;
  console.log(machine());
  for (const side of sides) {
    console.log(
      `\n${side.name}: ${work}, ${pace}, ${runs} runs of ${seconds} s after ${warmup} s of warm-up, ` +
        `${load.users} users on ${Math.min(load.sources, load.users)} sources\n\n${table(side.runs)}`,
    );
  }
}

/** What is going on, on a terminal only: one line that the next one replaces. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
