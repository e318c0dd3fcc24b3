import { runBenchmark } from '../lib/command.ts';
import { machine, Watch } from '../lib/proc.ts';
import { Load } from './load.ts';
import { flaw, type Run, table, toJson } from './report.ts';
import { registerSettings, type Settings } from './settings.ts';

interface Side {
  readonly name: string;
  readonly load: Load;
  readonly runs: Run[];
}

void runBenchmark({
  about: `Loads a SIP registrar over UDP and prints what a unit of work costs.

  bun bench/register/index.ts --target 127.0.0.1:5060 --work full --rate 800 --pid sidecar=1234`,
  failsWhen: 'no run of a target counts or the load cannot be generated',
  settings: registerSettings,
  async run(settings) {
    const sides = await measure(settings);
    print(settings, sides);
    if (sides.some(({ runs }) => runs.every((run) => flaw(run) !== undefined))) process.exitCode = 1;
  },
});

async function measure({ work, load, pace, targets, processes }: Settings): Promise<Side[]> {
  const { rate, concurrency, seconds, warmup, sources } = pace;
  const sides: Side[] = [];
  try {
    for (const target of targets) {
      sides.push({ name: target.name, load: await Load.open({ ...load, sources, target }), runs: [] });
    }
    for (const { name, load } of sides) {
      progress(`${name}: warming up`);
      if (work === 'refresh') await load.enrol(concurrency);
      if (warmup > 0) await load.run({ work, rate, concurrency, seconds: warmup });
    }
    for (let run = 1; run <= pace.runs; run++) {
      for (const { name, load, runs } of sides) {
        progress(`${name}: run ${run} of ${pace.runs}`);
        const watch = new Watch(processes);
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

function print({ json, work, load, pace }: Settings, sides: readonly Side[]): void {
  const { rate, concurrency, seconds, warmup, runs, sources } = pace;
  const { users, expires, realm } = load;
  if (json) {
    const settings = { work, rate, concurrency, seconds, warmup, runs, users, sources, expires, realm };
    const targets = sides.map((side) => ({ name: side.name, ...toJson(side.runs) }));
    console.log(JSON.stringify({ machine: machine(), settings, targets }, null, 2));
    return;
  }
  const paced = rate > 0 ? `${rate}/s` : `${concurrency} in flight`;
  console.log(machine());
  for (const side of sides) {
    console.log(
      `\n${side.name}: ${work}, ${paced}, ${runs} runs of ${seconds} s after ${warmup} s of warm-up, ` +
        `${users} users on ${Math.min(sources, users)} sources\n\n${table(side.runs)}`,
    );
  }
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
