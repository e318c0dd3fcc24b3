import { join } from 'node:path';
import { type Plot, type Point, type Series, svg } from '../lib/plot.ts';
import type { Result, Row } from './results.ts';

/** Writes the plots whose results are there. */
export async function writePlots(directory: string, results: readonly Result[]): Promise<void> {
  const load = results.find(({ part }) => part === 'load');
  const users = results.filter(({ part }) => part === 'users' || part === 'users-production');
  if (load) await Bun.write(join(directory, 'load.svg'), svg(loadPlot(load)));
  if (users.length > 0) await Bun.write(join(directory, 'users.svg'), svg(usersPlot(users)));
}

function loadPlot({ rows }: Result): Plot {
  const series = seriesOf(rows, ({ rate, figures }) => ({
    x: rate,
    y: figures?.unitsPerSecond.median ?? 0,
    isRing: (figures?.flaws.length ?? 0) > 0,
  }));
  const highest = Math.max(...series.flatMap(({ points }) => points.map(({ x }) => x)));
  const lowest = Math.min(...series.flatMap(({ points }) => points.map(({ x, y }) => Math.min(x, y))));
  const ticks = steps(lowest, highest, [1, 2, 5]);
  const first = ticks[0] ?? 1;
  const last = ticks.at(-1) ?? 1;
  return {
    title: 'Registrations answered by the rate offered',
    subtitle:
      'Challenge and registration, one machine with two cores for all. A ring: over 0.1 % not answered in time.',
    x: { label: 'registrations offered a second', scale: 'log', ticks },
    y: { label: 'answered a second', scale: 'log', ticks },
    series,
    reference: {
      name: 'all answered',
      points: [
        { x: first, y: first },
        { x: last, y: last },
      ],
    },
  };
}

function usersPlot(results: readonly Result[]): Plot {
  const series = results.flatMap(({ rows }) =>
    seriesOf(rows, ({ users, figures }) => {
      const { median, min, max } = figures?.cpuMsPerUnit.program ?? { median: 0, min: 0, max: 0 };
      return { x: users, y: median, low: min, high: max };
    }),
  );
  const points = series.flatMap((one) => one.points);
  const highest = Math.max(...points.map(({ y, high = y }) => high));
  const rates = [...new Set(results.flatMap(({ rows }) => rows.map(({ rate }) => rate)))].join(' and ');
  return {
    title: 'Cost of a registration by the number of registered users',
    subtitle: `CPU of the sidecar at ${rates} full registrations a second: median, minimum and maximum of the runs.`,
    x: { label: 'registered users', scale: 'log', ticks: decades(points.map(({ x }) => x)) },
    y: { label: 'CPU, ms a registration', scale: 'linear', ticks: evenTicks(highest) },
    series,
  };
}

/** Rows with figures, by side. */
function seriesOf(rows: readonly Row[], pointOf: (row: Row) => Point): Series[] {
  const measured = Map.groupBy(
    rows.filter(({ figures }) => figures !== undefined),
    ({ side }) => side,
  );
  return [...measured].map(([name, group]) => ({ name, points: group.map(pointOf) }));
}

/** Round numbers of a logarithmic axis that enclose a range. */
function steps(lowest: number, highest: number, digits: readonly number[]): number[] {
  const all = [...Array(8).keys()].flatMap((power) => digits.map((digit) => digit * 10 ** power));
  const from = all.findLastIndex((tick) => tick <= lowest);
  const to = all.findIndex((tick) => tick >= highest);
  return all.slice(Math.max(from, 0), to + 1);
}

function decades(values: readonly number[]): number[] {
  return steps(Math.min(...values), Math.max(...values), [1]);
}

/** From 0 to a round number above, in four to eight steps. */
function evenTicks(highest: number): number[] {
  const magnitude = 10 ** Math.floor(Math.log10(highest));
  const step =
    [0.1, 0.2, 0.25, 0.5, 1].map((part) => part * magnitude).find((part) => highest / part <= 7) ?? magnitude;
  const count = Math.ceil(highest / step);
  return Array.from({ length: count + 1 }, (_, i) => Number((i * step).toPrecision(3)));
}
