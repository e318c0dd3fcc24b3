import { machine } from '../lib/proc.ts';
import { spread } from '../lib/spread.ts';
import { type Column, comparison } from '../register/comparison.ts';
import type { SideReport } from '../register/sides.ts';
import type { Measured } from './measure.ts';
import type { Settings } from './settings.ts';

const ALL = 'all sidecars CPU ms/unit';

export function table(settings: Settings, measured: Measured): string {
  const { front, drachtio, phones, seconds, warmup, runs, rate, concurrency, works } = settings;
  const server = front === 'edge' ? 'edges that share a port' : `behind ${drachtio ?? 'the double of drachtio'}`;
  const figures = figuresOf(settings);
  return [
    machine(),
    `${server}, ${phones} phones, ${runs} runs of ${seconds} s after ${warmup} s`,
    ...works.flatMap((work) => [
      ...comparison(`${work}, ${rate}/s`, columns(measured.paced, work), figures),
      ...comparison(`${work}, ${concurrency} in flight`, columns(measured.ceiling, work), figures),
    ]),
    ...faultsOf(measured).map((fault) => `\nthis does not count: ${fault}`),
  ].join('\n');
}

export function faultsOf({ paced, ceiling }: Measured): string[] {
  return [...paced, ...ceiling].flatMap(({ side, work, runs }) =>
    runs.flatMap(({ flaw }) => (flaw === null ? [] : [`${work}, ${side}: ${flaw}`])),
  );
}

function figuresOf({ sidecars, front }: Settings): string[] {
  const each = Array.from({ length: sidecars }, (_, i) => `sidecar ${i + 1}`);
  const others = [...(front === 'drachtio' ? ['drachtio'] : []), 'Redis', 'MariaDB', 'generator'];
  const cpu = [...each, ...others].map((name) => `${name} CPU ms/unit`);
  return ['units/s', 'latency p50 ms', 'latency p99 ms', ALL, ...cpu, 'sidecar 1 RSS max MB'];
}

/** With the CPU of all sidecars of a side together. */
function columns(reports: readonly SideReport[], work: string): Column[] {
  return reports
    .filter((report) => report.work === work)
    .map(({ side, summary, runs }) => {
      const sums = runs.map(({ figures }) => {
        const own = Object.entries(figures).filter(([name]) => /^sidecar \d+ CPU/.test(name));
        return own.reduce((sum, [, value]) => sum + value, 0);
      });
      return { side, summary: { ...summary, [ALL]: spread(sums) } };
    });
}
