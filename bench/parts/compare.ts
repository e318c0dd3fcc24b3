import { inTurn, progress } from '../register/turns.ts';
import type { Work } from '../register/user-agent.ts';
import type { Row } from '../report/results.ts';
import type { Absent, Side } from '../sides/side.ts';
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

interface Step {
  readonly work: Work;
  /** Units offered a second; 0: one starts when another ends. */
  readonly rate: number;
}

const USERS = 1000;
const SMOKE_USERS = 50;
const SMOKE_RATE = 50;
/** Share of a run's length: a closed loop has many more units than a run at a rate. */
const CLOSED_LOOP = 0.6;

/** A part that loads several sides in turn with the same work, step by step. */
export function comparison(
  name: string,
  title: string,
  steps: readonly [Step, ...Step[]],
  open: (options: Options, users: number) => Promise<readonly (Side | Absent)[]>,
): Part {
  return {
    name,
    title,
    async measure(options) {
      const users = options.smoke ? SMOKE_USERS : USERS;
      return compare(await open(options, users), steps, users, options);
    },
  };
}

async function compare(
  opened: readonly (Side | Absent)[],
  steps: readonly [Step, ...Step[]],
  users: number,
  { runs, seconds, warmup, smoke }: Options,
): Promise<Measured> {
  const sides = opened.filter((side) => 'target' in side);
  const lanes = await Promise.all(sides.map((side) => openLane(side, users)));
  const rows: Row[] = [];
  try {
    await warmUp(lanes, steps[0].work, warmup);
    for (const { work, rate } of steps) {
      const step = { work, rate: smoke && rate > 0 ? SMOKE_RATE : rate, users };
      const run = { ...step, concurrency: CONCURRENCY, seconds: rate === 0 ? CLOSED_LOOP * seconds : seconds };
      const results = await inTurn(lanes, runs, run, progress);
      rows.push(...rowsOf(sides, results, step), ...absentRows(opened, step));
    }
  } finally {
    for (const { load } of lanes) load.close();
  }
  return { rows, versions: versionsOf(sides) };
}
