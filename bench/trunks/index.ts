import { runBenchmark } from '../lib/command.ts';
import { measure } from './measure.ts';
import { table, toJson } from './report.ts';
import { trunksSettings } from './settings.ts';

void runBenchmark({
  about: `Measures the compiled sidecar, with its embedded edge, while it keeps many registrations at one scripted carrier.

  bun bench/trunks/index.ts [--smoke]`,
  failsWhen: 'anything fails, a registration included',
  settings: trunksSettings,
  async run(settings) {
    const measured = await measure(settings);
    const { faults } = measured;
    return { figures: toJson(settings, measured), text: table(settings, measured), faults };
  },
});
