import type { Figures, Result, Row } from './results.ts';
import { markdown } from './table.ts';

interface Target {
  readonly what: string;
  readonly bound: number;
  /** Whether the bound is the least, not the most. */
  readonly atLeast?: boolean;
  /** Undefined when the results do not have it. */
  measured(find: Find): number | undefined;
}

type Find = (part: string, side: string, step?: Partial<Row>) => Figures | undefined;

const SIDECAR = 'sidecar';
const NODE = 'Node program';
const IN_MEMORY = 'Kamailio, in memory';
const IN_MARIADB = 'Kamailio, MariaDB';

const paced: Partial<Row> = { rate: 400 };
const closed: Partial<Row> = { rate: 0 };
const refresh: Partial<Row> = { work: 'refresh' };
const options: Partial<Row> = { work: 'options' };

const TARGETS: readonly Target[] = [
  {
    what: 'production: CPU of a registration, × Node program',
    bound: 0.33,
    measured: (find) => ratio(find, cpu, ['production', SIDECAR, paced], ['production', NODE, paced]),
  },
  {
    what: 'production: CPU of Redis for it, × Node program',
    bound: 1,
    measured: (find) => ratio(find, redisCpu, ['production', SIDECAR, paced], ['production', NODE, paced]),
  },
  {
    what: 'production: registrations in closed loop, × Node program',
    bound: 4,
    atLeast: true,
    measured: (find) => ratio(find, perSecond, ['production', SIDECAR, closed], ['production', NODE, closed]),
  },
  {
    what: 'production: CPU of a refresh, × Node program',
    bound: 0.8,
    measured: (find) =>
      ratio(find, cpu, ['production-refresh', SIDECAR, refresh], ['production-refresh', NODE, refresh]),
  },
  {
    what: 'production: CPU of an OPTIONS, × Node program',
    bound: 0.6,
    measured: (find) =>
      ratio(find, cpu, ['production-refresh', SIDECAR, options], ['production-refresh', NODE, options]),
  },
  {
    what: 'embedded: registrations in closed loop, × Kamailio with MariaDB',
    bound: 3,
    atLeast: true,
    measured: (find) => ratio(find, perSecond, ['ceiling', SIDECAR], ['ceiling', IN_MARIADB]),
  },
  {
    what: 'embedded: CPU at 1 000/s, × Kamailio with MariaDB',
    bound: 0.5,
    measured: (find) => ratio(find, cpuOfAll, ['register', SIDECAR], ['register', IN_MARIADB]),
  },
  {
    what: 'embedded: CPU at 1 000/s, × Kamailio in memory',
    bound: 2.5,
    measured: (find) => ratio(find, cpu, ['register', SIDECAR], ['register', IN_MEMORY]),
  },
  {
    what: 'embedded: p99 at 1 000/s, ms, on the disk of this machine',
    bound: 10,
    measured: (find) => find('register', SIDECAR)?.p99Ms.median,
  },
  {
    what: 'embedded: CPU with 100 000 users, × 1 000',
    bound: 1.05,
    measured: (find) => ratio(find, cpu, ['users', SIDECAR, { users: 100_000 }], ['users', SIDECAR, { users: 1000 }]),
  },
  {
    what: 'production: CPU with 30 000 users, × 1 000',
    bound: 1.05,
    measured: (find) =>
      ratio(
        find,
        cpu,
        ['users-production', SIDECAR, { users: 30_000 }],
        ['users-production', SIDECAR, { users: 1000 }],
      ),
  },
];

/** The targets beside what was measured, in a Markdown table; `–`: the results do not have it. */
export function targets(results: readonly Result[]): string {
  const find: Find = (part, side, step = {}) =>
    results.find((result) => result.part === part)?.rows.find((row) => row.side.startsWith(side) && matches(row, step))
      ?.figures;
  const rows = TARGETS.map(({ what, bound, atLeast = false, measured }) => {
    const value = measured(find);
    const isMet = value !== undefined && (atLeast ? value >= bound : value <= bound);
    return [
      what,
      `${atLeast ? '≥' : '≤'} ${bound}`,
      value === undefined ? '–' : String(Number(value.toPrecision(3))),
      value === undefined ? 'not measured' : isMet ? 'met' : 'missed',
    ];
  });
  return markdown(['target', 'bound', 'measured', ''], rows, 1);
}

function matches(row: Row, step: Partial<Row>): boolean {
  return (
    (step.work === undefined || row.work === step.work) &&
    (step.rate === undefined || row.rate === step.rate) &&
    (step.users === undefined || row.users === step.users)
  );
}

function ratio(
  find: Find,
  figure: (figures: Figures) => number | undefined,
  one: Parameters<Find>,
  other: Parameters<Find>,
): number | undefined {
  const [a, b] = [find(...one), find(...other)];
  const [of, to] = [a && figure(a), b && figure(b)];
  return of === undefined || to === undefined ? undefined : of / to;
}

function cpu({ cpuMsPerUnit }: Figures): number | undefined {
  return cpuMsPerUnit.program?.median;
}

function redisCpu({ cpuMsPerUnit }: Figures): number | undefined {
  return cpuMsPerUnit.Redis?.median;
}

/** With what stands beside the program. */
function cpuOfAll({ cpuMsPerUnit }: Figures): number {
  const counted = Object.entries(cpuMsPerUnit).filter(([name]) => name !== 'generator');
  return counted.reduce((sum, [, { median }]) => sum + median, 0);
}

function perSecond({ unitsPerSecond }: Figures): number {
  return unitsPerSecond.median;
}
