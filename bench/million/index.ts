import { runBenchmark } from '../lib/command.ts';
import { machine } from '../lib/proc.ts';
import { measure } from './measure.ts';
import { faultsOf, table } from './report.ts';
import { millionSettings } from './settings.ts';

void runBenchmark({
  about: `Measures the compiled sidecar with a million bindings in Redis and as many clients in MariaDB, beside a thousand.

  bun bench/million/index.ts [--part growth] [--smoke]`,
  failsWhen: 'a part cannot be measured, a run does not count or reg list misses a binding',
  settings: millionSettings,
  async run(settings) {
    const measured = await measure(settings);
    const faults = faultsOf(settings, measured);
    const report = { machine: machine(), options: settings, faults, ...measured };
    console.log(settings.json ? JSON.stringify(report) : table(settings, measured));
    if (faults.length > 0) process.exitCode = 1;
  },
});
