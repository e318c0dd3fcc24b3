import { type Report, runBenchmark } from '../lib/command.ts';
import { Load } from './load.ts';
import { flaw, type Run, table, toJson } from './report.ts';
import { registerSettings, type Settings } from './settings.ts';
import { inTurn, type Lane, progress } from './turns.ts';

interface Measured {
  readonly name: string;
  readonly runs: readonly Run[];
}

void runBenchmark({
  about: `Loads a SIP registrar over UDP and prints what a unit of work costs.

  bun bench/register/index.ts --target 127.0.0.1:5060 --work full --rate 800 --pid sidecar=1234`,
  failsWhen: 'no run of a target counts or the load cannot be generated',
  settings: registerSettings,
  run: async (settings) => report(settings, await measure(settings)),
});

async function measure({ work, load, pace, targets, processes }: Settings): Promise<Measured[]> {
  const { rate, concurrency, seconds, warmup, runs, sources } = pace;
  const lanes: Lane[] = [];
  try {
    for (const target of targets) {
      lanes.push({ name: target.name, load: await Load.open({ ...load, sources, target }), processes });
    }
    for (const { name, load } of lanes) {
      progress(`${name}: warming up`);
      if (work === 'refresh') await load.enrol(concurrency);
      if (warmup > 0) await load.run({ work, rate, concurrency, seconds: warmup });
    }
    const results = await inTurn(lanes, runs, { work, rate, concurrency, seconds }, progress);
    return lanes.map(({ name }, i) => ({ name, runs: results[i] ?? [] }));
  } finally {
    for (const { load } of lanes) load.close();
    progress('');
  }
}

function report({ work, load, pace }: Settings, measured: readonly Measured[]): Report {
  const { rate, concurrency, seconds, warmup, runs, sources } = pace;
  const { users, expires, realm } = load;
  const paced = rate > 0 ? `${rate}/s` : `${concurrency} in flight`;
  const text = measured.map(
    (target) =>
      `${target.name}: ${work}, ${paced}, ${runs} runs of ${seconds} s after ${warmup} s of warm-up, ` +
      `${users} users on ${Math.min(sources, users)} sources\n\n${table(target.runs)}`,
  );
  return {
    figures: {
      settings: { work, rate, concurrency, seconds, warmup, runs, users, sources, expires, realm },
      targets: measured.map((target) => ({ name: target.name, ...toJson(target.runs) })),
    },
    text: text.join('\n\n'),
    faults: measured
      .filter((target) => target.runs.every((run) => flaw(run) !== undefined))
      .map(({ name }) => `${name}: no run counts`),
  };
}
