import { reportOf } from '../lib/apart.ts';
import { Watch, type Watched } from '../lib/proc.ts';
import { Load, type LoadOptions } from './load.ts';
import { type Run, toJson } from './report.ts';
import type { Work } from './user-agent.ts';

/** A registrar on 127.0.0.1, and its phones. */
export interface Side {
  readonly name: string;
  readonly port: number;
  readonly phones: Pick<LoadOptions, 'users' | 'realm' | 'realms' | 'userPattern' | 'passwordPattern'>;
  readonly processes: readonly Watched[];
}

export interface SidesPlan {
  readonly sides: readonly Side[];
  readonly works: readonly Work[];
  /** As of a {@link Load}'s run. */
  readonly rate: number;
  readonly concurrency: number;
  readonly seconds: number;
  readonly warmup: number;
  readonly runs: number;
}

export interface SideReport extends ReturnType<typeof toJson> {
  readonly side: string;
  readonly work: Work;
}

/** The script that measures a {@link SidesPlan} in a process of its own, and reports each side with each work. */
export const SIDES = import.meta.path;

const SOURCES = 50;
const EXPIRES_SECONDS = 3600;

if (import.meta.main) await reportOf(measureSides);

/** Measures the sides in turn, run by run. @throws when a phone cannot be registered */
async function measureSides(plan: SidesPlan): Promise<SideReport[]> {
  const { sides, works, rate, concurrency, seconds, warmup, runs } = plan;
  await using open = new AsyncDisposableStack();
  const loads: { side: Side; load: Load }[] = [];
  for (const side of sides) {
    const load = await openLoad(side);
    open.defer(() => load.close());
    await load.enrol(concurrency);
    loads.push({ side, load });
  }
  const reports: SideReport[] = [];
  for (const work of works) {
    const measured = loads.map((one) => ({ ...one, done: [] as Run[] }));
    for (const { load } of loads) await load.run({ work, rate, seconds: warmup, concurrency });
    for (let run = 0; run < runs; run++) {
      for (const { side, load, done } of measured) {
        const watch = new Watch(side.processes);
        const counts = await load.run({ work, rate, seconds, concurrency });
        done.push({ counts, seconds, usage: watch.stop() });
      }
    }
    for (const { side, done } of measured) reports.push({ side: side.name, work, ...toJson(done) });
  }
  return reports;
}

export function openLoad({ port, phones }: Pick<Side, 'port' | 'phones'>): Promise<Load> {
  return Load.open({ ...phones, target: { host: '127.0.0.1', port }, sources: SOURCES, expires: EXPIRES_SECONDS });
}
