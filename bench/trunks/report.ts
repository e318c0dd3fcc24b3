import { type Spread, spread } from '../lib/spread.ts';
import type { Measured } from './measure.ts';
import type { Settings } from './settings.ts';

interface Row extends Spread {
  readonly figure: string;
  readonly target: number | null;
}

/** Registering all may take this many times what the pace allows. */
const TOLERATED_DELAY = 1.1;

export function table(settings: Settings, measured: Measured): string {
  const { trunks, batchSize, batchSleepMs, stores, windows, seconds, stale } = settings;
  const kept = stores === 'sqlite' ? 'SQLite' : 'Redis and MariaDB';
  const lines = [
    `${trunks} trunks, ${batchSize} per ${batchSleepMs} ms, ${kept}; ${windows} windows of ${seconds} s` +
      `${stale ? '; every refresh is challenged' : ''}`,
    '',
    `${''.padEnd(30)}${['min', 'median', 'max', 'target'].map((head) => head.padStart(10)).join('')}`,
    ...rows(settings, measured).map(({ figure, min, median, max, target }) => {
      const verdict = target === null ? '' : `${median < target ? '' : '! '}< ${decimals(target)}`;
      return `${figure.padEnd(30)}${[...[min, median, max].map(decimals), verdict].map((cell) => cell.padStart(10)).join('')}`.trimEnd();
    }),
    '',
    `retransmissions: ${measured.retransmissions}`,
  ];
  return lines.join('\n');
}

export function toJson(settings: Settings, measured: Measured) {
  return { options: settings, figures: rows(settings, measured), ...measured };
}

function rows({ trunks }: Settings, measured: Measured): Row[] {
  const { registeringSeconds, allowedSeconds, registeringCpuMs, idleMb, settledMb } = measured;
  const idle = spread(idleMb);
  const settled = spread(settledMb);
  const growth = (mb: number) => ((mb - idle.median) * 1024) / trunks;
  const grown = { min: growth(settled.min), median: growth(settled.median), max: growth(settled.max) };
  return [
    { figure: 'all registered, s', ...spread([registeringSeconds]), target: allowedSeconds * TOLERATED_DELAY },
    { figure: 'CPU until then, ms a trunk', ...spread([registeringCpuMs]), target: null },
    { figure: 'then CPU, % of a core', ...spread(measured.cpuPercent), target: 5 },
    { figure: 'REGISTER/s meanwhile', ...spread(measured.registersPerSecond), target: null },
    { figure: 'RSS without trunks, MB', ...idle, target: null },
    { figure: 'RSS with all settled, MB', ...settled, target: null },
    { figure: 'growth, KB a trunk', ...grown, target: 8 },
    { figure: 'database cycle, ms', ...spread(measured.cycleMs), target: 500 },
  ];
}

function decimals(value: number): string {
  return value.toFixed(value < 100 ? 2 : 0);
}
