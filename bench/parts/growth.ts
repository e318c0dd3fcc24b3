import { startMariadb } from '../../test/support/mariadb.ts';
import { inTurn, progress } from '../register/turns.ts';
import { embedded } from '../sides/embedded.ts';
import { production } from '../sides/production.ts';
import type { Side } from '../sides/side.ts';
import { CONCURRENCY, type Measured, type Options, openLane, type Part, rowsOf, versionsOf, warmUp } from './part.ts';

interface Growth {
  readonly name: string;
  readonly title: string;
  /** Of a side each. Registering them takes most of the part's time. */
  readonly counts: readonly number[];
  /** Registrations a second, of one side at a time. */
  readonly rate: number;
  /** Starts a side for each number of users. */
  open(options: Options, counts: readonly number[]): Promise<readonly Side[]>;
}

const SMOKE_COUNTS = [20, 50];
const SMOKE_RATE = 50;

/** Embedded sidecars, each with more users than the one before, all of whom are registered. */
export const users = growth({
  name: 'users',
  title: 'Embedded: registrations among many users',
  counts: [1000, 10_000, 100_000],
  rate: 1000,
  open: ({ binary }, counts) => Promise.all(counts.map((count) => embedded(binary, count))),
});

/** The same behind a drachtio server, with Redis and MariaDB. */
export const usersInProduction = growth({
  name: 'users-production',
  title: 'Production: registrations among many users',
  counts: [1000, 10_000, 30_000],
  rate: 800,
  async open({ binary, drachtio }, counts) {
    const mariadb = await startMariadb();
    return Promise.all(counts.map((count) => production({ binary, drachtio, users: count }, mariadb)));
  },
});

function growth({ name, title, counts, rate, open }: Growth): Part {
  return {
    name,
    title,
    async measure(options) {
      const [sizes, pace] = options.smoke ? [SMOKE_COUNTS, SMOKE_RATE] : [counts, rate];
      return grow(await open(options, sizes), sizes, pace, options);
    },
  };
}

async function grow(
  sides: readonly Side[],
  counts: readonly number[],
  rate: number,
  { runs, seconds, warmup }: Options,
): Promise<Measured> {
  const lanes = await Promise.all(sides.map((side, i) => openLane(side, counts[i] ?? 0)));
  try {
    for (const [i, { load }] of lanes.entries()) {
      progress(`registering ${counts[i]} users`);
      await load.enrol(CONCURRENCY);
    }
    await warmUp(lanes, 'full', warmup);
    const results = await inTurn(lanes, runs, { work: 'full', rate, concurrency: CONCURRENCY, seconds }, progress);
    const rows = counts.flatMap((count, i) =>
      rowsOf(sides.slice(i, i + 1), results.slice(i, i + 1), { work: 'full', rate, users: count }),
    );
    return { rows, versions: versionsOf(sides) };
  } finally {
    for (const { load } of lanes) load.close();
  }
}
