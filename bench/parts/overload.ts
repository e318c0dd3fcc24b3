import { inTurn, progress } from '../register/turns.ts';
import type { Row } from '../report/results.ts';
import { embedded } from '../sides/embedded.ts';
import { kamailioInMariadb, kamailioInMemory } from '../sides/kamailio.ts';
import {
  absentRows,
  CONCURRENCY,
  type Measured,
  type Options,
  openLane,
  type Part,
  rowsOf,
  versionsOf,
  warmUp,
} from './part.ts';

const RATES = [500, 710, 1000, 1400, 2000, 2800, 4000, 5600, 8000, 11_000, 16_000, 20_000];
const SMOKE_RATES = [50, 100];
const USERS = 2000;
const SMOKE_USERS = 50;
/** Below this share of what is offered a registrar is overloaded, and further rates would show the same. */
const KEEPS_UP = 0.7;

/** Full registrations at rising rates, until a registrar no longer keeps up. */
export const overload: Part = {
  name: 'load',
  title: 'Full registrations answered, by the rate offered',
  measure,
};

async function measure({ binary, seconds, warmup, smoke }: Options): Promise<Measured> {
  const users = smoke ? SMOKE_USERS : USERS;
  const opened = await Promise.all([embedded(binary, users), kamailioInMemory(), kamailioInMariadb(users)]);
  const sides = opened.filter((side) => 'target' in side);
  const lanes = await Promise.all(sides.map((side) => openLane(side, users)));
  const rows: Row[] = [];
  let going = [...lanes.keys()];
  try {
    await warmUp(lanes, 'full', warmup);
    for (const rate of smoke ? SMOKE_RATES : RATES) {
      const step = { work: 'full', rate, users } as const;
      const options = { ...step, concurrency: CONCURRENCY, seconds };
      const results = await inTurn(picked(lanes, going), 1, options, (text) => progress(`${rate}/s, ${text}`));
      const measured = rowsOf(picked(sides, going), results, step);
      rows.push(...measured);
      going = going.filter((_, i) => (measured[i]?.figures?.unitsPerSecond.median ?? 0) >= KEEPS_UP * rate);
    }
  } finally {
    for (const { load } of lanes) load.close();
  }
  rows.push(...absentRows(opened, { work: 'full', rate: 0, users }));
  return { rows, versions: versionsOf(sides) };
}

function picked<T>(items: readonly T[], indexes: readonly number[]): T[] {
  return items.filter((_, i) => indexes.includes(i));
}
