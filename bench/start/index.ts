import { binaryFlag, jsonFlag, type Report, runBenchmark } from '../lib/command.ts';
import type { Flags } from '../lib/flags.ts';
import { Phone } from '../lib/phone.ts';
import { rssMb } from '../lib/proc.ts';
import { portOf } from '../lib/server.ts';
import { startSidecar } from '../lib/sidecar.ts';
import { spread } from '../lib/spread.ts';

void runBenchmark({
  about: `Measures the time from the start of the compiled sidecar with --embedded to its first answer to a REGISTER, and its memory
when it is idle.

  bun bench/start/index.ts [--runs 10]`,
  failsWhen: 'a REGISTER is not answered',
  settings,
  run,
});

function settings(flags: Flags) {
  return {
    binary: binaryFlag(flags),
    runs: flags.whole('runs', { help: 'starts, one after the other', default: 10, smoke: 2, max: 1000 }),
    idle: flags.number('idle', { value: 's', help: 'before memory is read', default: 3, smoke: 0.1, max: 600 }),
    json: jsonFlag(flags),
    smoke: flags.toggle('smoke', 'two starts'),
  };
}

async function run({ binary, runs, idle }: ReturnType<typeof settings>): Promise<Report> {
  const startMs: number[] = [];
  const idleMb: number[] = [];
  for (let n = 0; n < runs; n++) {
    const began = performance.now();
    const sidecar = await startSidecar(binary, { listen: ['udp'], users: 1, env: { JAMBONES_LOGLEVEL: 'info' } });
    const phone = await Phone.open('udp', portOf(sidecar, 'udp'), 1);
    await phone.request('REGISTER');
    startMs.push(performance.now() - began);
    phone.close();
    await Bun.sleep(idle * 1000);
    idleMb.push(rssMb(sidecar));
    await sidecar.stop();
  }
  const figures = { startMs: spread(startMs), idleMb: spread(idleMb) };
  const lines = Object.entries(figures).map(
    ([name, { median, min, max }]) => `${name} ${median.toFixed(1)} (${min.toFixed(1)}–${max.toFixed(1)})`,
  );
  return { figures, text: lines.join('\n') };
}
