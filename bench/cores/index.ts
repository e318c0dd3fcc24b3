import { runBenchmark } from '../lib/command.ts';
import { machine } from '../lib/proc.ts';
import { measure } from './measure.ts';
import { faultsOf, table } from './report.ts';
import { coresSettings } from './settings.ts';

void runBenchmark({
  about: `Measures one sidecar beside several that share the phones, on one Redis and MariaDB.

  bun bench/cores/index.ts [--front edge] [--drachtio /usr/bin/drachtio] [--smoke]`,
  failsWhen: 'it cannot be measured or a run does not count',
  settings: coresSettings,
  async run(settings) {
    const measured = await measure(settings);
    const faults = faultsOf(measured);
    const report = { machine: machine(), options: settings, faults, ...measured };
    console.log(settings.json ? JSON.stringify(report) : table(settings, measured));
    if (faults.length > 0) process.exitCode = 1;
  },
});
