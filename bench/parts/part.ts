import type { Run } from '../register/report.ts';
import { type Lane, openPhones, progress } from '../register/turns.ts';
import type { Work } from '../register/user-agent.ts';
import { figuresOf, type Row } from '../report/results.ts';
import type { Absent, Side } from '../sides/side.ts';

/** Options of all parts. */
export interface Options {
  readonly binary: string;
  /** Path of a drachtio server; undefined: the double of the tests. */
  readonly drachtio: string | undefined;
  /** A checkout of the Node program, with node_modules. */
  readonly nodeSidecar: string | undefined;
  /** Of each side, in turn. */
  readonly runs: number;
  readonly seconds: number;
  readonly warmup: number;
  readonly smoke: boolean;
}

export interface Part {
  /** Its name on the command line, and that of its file. */
  readonly name: string;
  readonly title: string;
  measure(options: Options): Promise<Measured>;
}

export interface Measured {
  readonly rows: readonly Row[];
  readonly versions: Readonly<Record<string, string>>;
}

export type Step = Pick<Row, 'work' | 'rate' | 'users'>;

/** Units in flight in a closed loop. */
export const CONCURRENCY = 50;

export async function openLane({ name, target, passwordPattern, processes }: Side, users: number): Promise<Lane> {
  return { name, load: await openPhones(target, users, passwordPattern), processes };
}

/** Registers all users when the work is to refresh, then loads all lanes at once, each as fast as it answers. */
export async function warmUp(lanes: readonly Lane[], work: Work, seconds: number) {
  progress('warming up');
  for (const { load } of lanes) if (work === 'refresh') await load.enrol(CONCURRENCY);
  await Promise.all(lanes.map(({ load }) => load.run({ work, rate: 0, concurrency: CONCURRENCY, seconds })));
}

/** What was measured in one step, for each side in turn. */
export function rowsOf(sides: readonly Side[], results: readonly (readonly Run[])[], step: Step): Row[] {
  return sides.map(({ name }, i) => ({ side: name, ...step, figures: figuresOf(results[i] ?? []) }));
}

export function absentRows(opened: readonly (Side | Absent)[], step: Step): Row[] {
  return opened.filter((side) => 'missing' in side).map(({ name, missing }) => ({ side: name, ...step, missing }));
}

export function versionsOf(sides: readonly Side[]): Readonly<Record<string, string>> {
  return Object.assign({}, ...sides.map(({ versions }) => versions));
}
