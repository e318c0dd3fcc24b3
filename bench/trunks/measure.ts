import { AdminClient } from '../../src/admin/client.ts';
import { cpuMs, rssMb, type Watched } from '../lib/proc.ts';
import { Sampler } from '../lib/sampler.ts';
import { type Sidecar, startSidecar } from '../lib/sidecar.ts';
import { Carrier } from './carrier.ts';
import type { Settings } from './settings.ts';
import { openStores } from './stores.ts';

export interface Measured {
  /** From the first REGISTER to the one that registers the last trunk. */
  readonly registeringSeconds: number;
  /** The pauses between batches. */
  readonly allowedSeconds: number;
  /** CPU of the sidecar until all are registered, ms per trunk. */
  readonly registeringCpuMs: number;
  readonly cpuPercent: readonly number[];
  readonly registersPerSecond: readonly number[];
  readonly idleMb: readonly number[];
  readonly settledMb: readonly number[];
  /** `trunk refresh` over the admin socket, ms. */
  readonly cycleMs: readonly number[];
  readonly retransmissions: number;
  readonly faults: readonly string[];
}

const START_MS = 20_000;
const ADMIN_TIMEOUT_MS = 30_000;
const IDLE_MS = 1_000;
const IDLE_READING_MS = 200;
const READING_MS = 1_000;
const CYCLE_PAUSE_MS = 500;
/** Time for all registrations beyond twice what the pace allows. */
const PATIENCE_MS = 60_000;

/** One run, from no carriers to the sidecar's end. @throws when it cannot be measured */
export async function measure(settings: Settings): Promise<Measured> {
  const { trunks, batchSize, batchSleepMs, windows, seconds, cycles } = settings;
  const stores = await openStores(settings.stores);
  await using open = new AsyncDisposableStack();
  const carrier = await Carrier.start(settings.stale);
  open.defer(() => carrier.stop());
  const sidecar = await startSidecar(settings.binary, {
    listen: ['udp'],
    env: {
      ...stores.env,
      JAMBONES_REGBOT_BATCH_SIZE: String(batchSize),
      JAMBONES_REGBOT_BATCH_SLEEP_MS: String(batchSleepMs),
    },
  });
  open.defer(async () => {
    const code = await sidecar.stop();
    if (code !== 0) throw new Error(`the sidecar ended with ${code}`);
  });
  await sidecar.process.line(/this sidecar registers at carriers now/, START_MS);
  const admin = new AdminClient({ socketPath: sidecar.socketPath, timeoutMs: ADMIN_TIMEOUT_MS });
  open.defer(() => admin.close());
  await Bun.sleep(settings.idle * 1000);
  const idleMb = await memoryFor(IDLE_MS, IDLE_READING_MS, sidecar);

  const allowedSeconds = ((Math.ceil(trunks / batchSize) - 1) * batchSleepMs) / 1000;
  await stores.add(trunks, carrier.progress.port, admin);
  const cpuBefore = cpuMs(sidecar);
  const patience = allowedSeconds * 2000 + PATIENCE_MS;
  const all = await carrier.until(({ registered }) => registered === trunks, patience, `${trunks} registrations`);
  const registeringCpuMs = (cpuMs(sidecar) - cpuBefore) / trunks;

  await Bun.sleep(settings.settle * 1000);
  const steady = await steadyState(sidecar, carrier, windows, seconds);
  const cycleMs = await timeCycles(admin, cycles);
  return {
    registeringSeconds: (all.lastNewAt - all.firstAt) / 1000,
    allowedSeconds,
    registeringCpuMs,
    idleMb,
    ...steady,
    cycleMs,
    retransmissions: carrier.progress.retransmissions,
    faults: await faultsOf(sidecar, admin, carrier, trunks),
  };
}

async function steadyState(watched: Watched, carrier: Carrier, windows: number, seconds: number) {
  const cpuPercent: number[] = [];
  const registersPerSecond: number[] = [];
  const settledMb: number[] = [];
  for (let window = 0; window < windows; window++) {
    const before = { at: performance.now(), cpu: cpuMs(watched), requests: carrier.progress.requests };
    settledMb.push(...(await memoryFor(seconds * 1000, READING_MS, watched)));
    const ms = performance.now() - before.at;
    cpuPercent.push((100 * (cpuMs(watched) - before.cpu)) / ms);
    registersPerSecond.push(((carrier.progress.requests - before.requests) * 1000) / ms);
  }
  return { cpuPercent, registersPerSecond, settledMb };
}

/** Its resident memory over some time, MB. */
async function memoryFor(ms: number, everyMs: number, watched: Watched): Promise<number[]> {
  const sampler = new Sampler(everyMs, () => rssMb(watched));
  await Bun.sleep(ms);
  await sampler.stop();
  return sampler.values;
}

async function timeCycles(admin: AdminClient, cycles: number): Promise<number[]> {
  const times: number[] = [];
  for (let cycle = 0; cycle < cycles; cycle++) {
    const began = performance.now();
    await admin.request('trunk-refresh', {});
    times.push(performance.now() - began);
    await Bun.sleep(CYCLE_PAUSE_MS);
  }
  return times;
}

async function faultsOf(sidecar: Sidecar, admin: AdminClient, carrier: Carrier, trunks: number): Promise<string[]> {
  const faults = sidecar.complaints();
  const { refused, registered } = carrier.progress;
  if (refused > 0) faults.push(`${refused} requests with wrong credentials`);
  if (registered !== trunks) faults.push(`the carrier has ${registered} registrations`);
  const { outbound } = await admin.request('status', {});
  const seen = outbound.trunks;
  if (seen.total !== trunks || seen.registered !== trunks)
    faults.push(`the sidecar counts ${seen.registered} of ${seen.total} trunks as registered`);
  return faults;
}
