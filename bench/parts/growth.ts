import { startMariadb } from '../../test/support/mariadb.ts';
import { inTurn, progress } from '../register/turns.ts';
import { embedded } from '../sides/embedded.ts';
import { production } from '../sides/production.ts';
import type { Side } from '../sides/side.ts';
import { CONCURRENCY, type Measured, type Options, openLane, type Part, rowsOf, versionsOf, warmUp } from './part.ts';

/** Starts a side for each number of users. */
type Open = (options: Options, counts: readonly number[]) => Promise<readonly Side[]>;

const USERS = [1000, 10_000, 100_000];
const SMOKE_USERS = [20, 50];
const SMOKE_RATE = 50;

/** Embedded sidecars, each with more users than the one before, all of whom are registered. */
export const users = growth('users', 'Embedded: registrations among many users', 1000, ({ binary }, counts) =>
  Promise.all(counts.map((count) => embedded(binary, count))),
);

/** The same behind a drachtio server, with Redis and MariaDB. */
export const usersInProduction = growth(
  'users-production',
  'Production: registrations among many users',
  800,
  async ({ binary, drachtio }, counts) => {
    const mariadb = await startMariadb();
    return Promise.all(counts.map((count) => production({ binary, drachtio, users: count }, mariadb)));
  },
);

function growth(name: string, title: string, rate: number, open: Open): Part {
  return { name, title, measure: (options) => grow(options, options.smoke ? SMOKE_RATE : rate, open) };
}

async function grow(options: Options, rate: number, open: Open): Promise<Measured> {
  const { runs, seconds, warmup, smoke } = options;
  const counts = smoke ? SMOKE_USERS : USERS;
  const sides = await open(options, counts);
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
