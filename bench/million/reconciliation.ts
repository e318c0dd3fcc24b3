import { reportOf } from '../lib/apart.ts';
import { cpuMs, peakRssMb, rssMb, Watch, type Watched } from '../lib/proc.ts';
import { portOf } from '../lib/server.ts';
import { type Sidecar, startSidecar } from '../lib/sidecar.ts';
import type { Load } from '../register/load.ts';
import { toJson } from '../register/report.ts';
import { openLoad, type Side } from '../register/sides.ts';

export interface ReconciliationPlan extends Pick<Side, 'phones'> {
  readonly binary: string;
  readonly env: Readonly<Record<string, string>>;
  readonly redis: Watched;
  readonly rate: number;
  readonly seconds: number;
  readonly warmup: number;
}

export interface ReconciliationReport {
  readonly seconds: number;
  readonly sidecarCpuMs: number;
  readonly redisCpuMs: number;
  readonly readyMb: number;
  readonly peakMb: number;
  /** Registrations while it reconciles. */
  readonly meanwhile: ReturnType<typeof toJson>;
  /** Whether it reconciled longer than those were measured. */
  readonly isWhole: boolean;
  /** Registrations at the same sidecar afterwards. */
  readonly afterwards: ReturnType<typeof toJson>;
}

/** The script that measures a {@link ReconciliationPlan} and reports a {@link ReconciliationReport}. */
export const RECONCILIATION = import.meta.path;

const DEADLINE_MS = 120_000;
const RECONCILED = /realm indexes reconciled/;

if (import.meta.main) await reportOf(reconciliation);

async function reconciliation(plan: ReconciliationPlan): Promise<ReconciliationReport> {
  return { ...(await alone(plan)), ...(await underLoad(plan)) };
}

async function alone(plan: ReconciliationPlan) {
  const { redis } = plan;
  const redisBefore = cpuMs(redis);
  const sidecar = await start(plan);
  const began = performance.now();
  const [sidecarBefore, readyMb] = [cpuMs(sidecar), rssMb(sidecar)];
  await sidecar.process.line(RECONCILED, DEADLINE_MS);
  const measured = {
    seconds: (performance.now() - began) / 1000,
    sidecarCpuMs: cpuMs(sidecar) - sidecarBefore,
    redisCpuMs: cpuMs(redis) - redisBefore,
    readyMb,
    peakMb: peakRssMb(sidecar),
  };
  await sidecar.stop();
  return measured;
}

async function underLoad(plan: ReconciliationPlan) {
  const sidecar = await start(plan);
  const load = await openLoad({ ...plan, port: portOf(sidecar, 'udp') });
  try {
    await load.run({ work: 'full', rate: plan.rate, seconds: plan.warmup, concurrency: 1 });
    const meanwhile = await registrations(load, sidecar, plan);
    const isWhole = !sidecar.process.lines.some((line) => RECONCILED.test(line));
    await sidecar.process.line(RECONCILED, DEADLINE_MS);
    return { meanwhile, isWhole, afterwards: await registrations(load, sidecar, plan) };
  } finally {
    load.close();
    await sidecar.stop();
  }
}

async function registrations(load: Load, sidecar: Sidecar, { redis, rate, seconds }: ReconciliationPlan) {
  const watch = new Watch([sidecar, redis]);
  const counts = await load.run({ work: 'full', rate, seconds, concurrency: 1 });
  return toJson([{ counts, seconds, usage: watch.stop() }]);
}

/** The end of the reconciliation is logged at debug. */
function start({ binary, env }: ReconciliationPlan): Promise<Sidecar> {
  return startSidecar(binary, { listen: ['udp'], env: { ...env, JAMBONES_LOGLEVEL: 'debug' } });
}
