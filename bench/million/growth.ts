import { Watch, type Watched } from '../lib/proc.ts';
import { Load } from '../register/load.ts';
import { type Run, toJson } from '../register/report.ts';
import type { Work } from '../register/user-agent.ts';
import { PASSWORD, REALMS, USERS } from './stores.ts';

export interface Side {
  readonly name: string;
  /** Of the sidecar, on 127.0.0.1. */
  readonly port: number;
  readonly phones: number;
  readonly realms: number;
  readonly processes: readonly Watched[];
}

export interface GrowthPlan {
  readonly part: 'growth';
  readonly sides: readonly Side[];
  readonly works: readonly Work[];
  readonly rate: number;
  readonly seconds: number;
  readonly warmup: number;
  readonly runs: number;
}

export interface SideReport extends ReturnType<typeof toJson> {
  readonly side: string;
  readonly work: Work;
}

const CONCURRENCY = 50;
const SOURCES = 50;
const EXPIRES_SECONDS = 3600;

/** Measures the sides in turn, run by run. @throws when a phone cannot be registered */
export async function growth({ sides, works, rate, seconds, warmup, runs }: GrowthPlan): Promise<SideReport[]> {
  await using open = new AsyncDisposableStack();
  const loads: { side: Side; load: Load }[] = [];
  for (const side of sides) {
    const load = await openLoad(side);
    open.defer(() => load.close());
    await load.enrol(CONCURRENCY);
    loads.push({ side, load });
  }
  const reports: SideReport[] = [];
  for (const work of works) {
    const measured = loads.map((one) => ({ ...one, done: [] as Run[] }));
    for (const { load } of loads) await load.run({ work, rate, seconds: warmup, concurrency: CONCURRENCY });
    for (let run = 0; run < runs; run++) {
      for (const { side, load, done } of measured) {
        const watch = new Watch(side.processes);
        const counts = await load.run({ work, rate, seconds, concurrency: CONCURRENCY });
        done.push({ counts, seconds, usage: watch.stop() });
      }
    }
    for (const { side, done } of measured) reports.push({ side: side.name, work, ...toJson(done) });
  }
  return reports;
}

export function openLoad({ port, phones, realms }: Pick<Side, 'port' | 'phones' | 'realms'>): Promise<Load> {
  return Load.open({
    target: { host: '127.0.0.1', port },
    realm: REALMS,
    realms,
    users: phones,
    userPattern: USERS,
    passwordPattern: PASSWORD,
    sources: SOURCES,
    expires: EXPIRES_SECONDS,
  });
}
