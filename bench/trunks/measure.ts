import type { AdminClient } from '../../src/admin/client.ts';
import { cpuMs, rssMb, type Watched } from '../register/proc.ts';
import type { Options } from './args.ts';
import { Carrier } from './carrier.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';
import { openStores } from './stores.ts';

export interface Measured {
  /** From the first REGISTER of all to the last of an initial registration, seconds. */
  readonly registeringSeconds: number;
  /** How long that takes when every batch starts right when it may. */
  readonly allowedSeconds: number;
  /** CPU of the sidecar from the first REGISTER until all were registered, ms for each trunk. */
  readonly registeringCpuMs: number;
  /** Of the sidecar, in each window, percent of one core. */
  readonly cpuPercent: readonly number[];
  /** REGISTERs that came in each window, per second. */
  readonly registersPerSecond: readonly number[];
  /** Before there was any carrier, and in the windows, one a second. MB. */
  readonly idleMb: readonly number[];
  readonly settledMb: readonly number[];
  /** `trunk refresh` over the admin socket, ms. */
  readonly cycleMs: readonly number[];
  readonly retransmissions: number;
  /** What makes the figures worthless. */
  readonly faults: readonly string[];
}

/** Of a sidecar that does nothing the memory is read so many times. */
const IDLE_READINGS = 5;
const IDLE_READING_MS = 200;
const READING_MS = 1_000;
/** Between two readings of the database, so that each is one by itself. */
const CYCLE_PAUSE_MS = 500;
/** Beyond the pace, for all to be registered. */
const PATIENCE_MS = 60_000;

/** One run, from an empty directory of carriers to the sidecar's end. @throws when it cannot be measured at all */
export async function measure(options: Options, directory: string): Promise<Measured> {
  const { trunks, batchSize, batchSleepMs, settle, windows, seconds, cycles } = options;
  const stores = await openStores(options.stores, directory);
  await using open = new AsyncDisposableStack();
  const carrier = await Carrier.start(options.stale);
  open.defer(() => carrier.stop());
  const sidecar = await startSidecar(options.binary, directory, stores, options);
  open.defer(() => sidecar.stop());
  const watched: Watched = { name: 'sidecar', pid: sidecar.pid };
  await Bun.sleep(options.idle * 1000);
  const idleMb: number[] = [];
  for (let i = 0; i < IDLE_READINGS; i++) {
    idleMb.push(rssMb(watched));
    await Bun.sleep(IDLE_READING_MS);
  }

  const allowedSeconds = ((Math.ceil(trunks / batchSize) - 1) * batchSleepMs) / 1000;
  await stores.add(trunks, carrier.progress.port, sidecar.admin);
  const cpuBefore = cpuMs(watched);
  const patience = allowedSeconds * 2000 + PATIENCE_MS;
  const all = await carrier.until(({ registered }) => registered === trunks, patience, `${trunks} registrations`);
  const registeringCpuMs = (cpuMs(watched) - cpuBefore) / trunks;

  await Bun.sleep(settle * 1000);
  const steady = await steadyState(watched, carrier, windows, seconds);
  const cycleMs = await timeCycles(sidecar.admin, cycles);
  return {
    registeringSeconds: (all.lastNewAt - all.firstAt) / 1000,
    ...{ allowedSeconds, registeringCpuMs, idleMb, cycleMs },
    ...steady,
    retransmissions: carrier.progress.retransmissions,
    faults: await faultsOf(sidecar, carrier, trunks),
  };
}

async function steadyState(watched: Watched, carrier: Carrier, windows: number, seconds: number) {
  const cpuPercent: number[] = [];
  const registersPerSecond: number[] = [];
  const settledMb: number[] = [];
  for (let window = 0; window < windows; window++) {
    const before = { at: performance.now(), cpu: cpuMs(watched), requests: carrier.progress.requests };
    for (let second = 0; second < seconds; second++) {
      await Bun.sleep(READING_MS);
      settledMb.push(rssMb(watched));
    }
    const ms = performance.now() - before.at;
    cpuPercent.push((100 * (cpuMs(watched) - before.cpu)) / ms);
    registersPerSecond.push(((carrier.progress.requests - before.requests) * 1000) / ms);
  }
  return { cpuPercent, registersPerSecond, settledMb };
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

async function faultsOf(sidecar: Sidecar, carrier: Carrier, trunks: number): Promise<string[]> {
  const faults = sidecar.complaints();
  const { refused, registered } = carrier.progress;
  if (refused > 0) faults.push(`${refused} requests with wrong credentials`);
  if (registered !== trunks) faults.push(`the carrier has ${registered} registrations`);
  const { outbound } = await sidecar.admin.request('status', {});
  const seen = outbound.trunks;
  if (seen.total !== trunks || seen.registered !== trunks)
    faults.push(`the sidecar counts ${seen.registered} of ${seen.total} trunks as registered`);
  return faults;
}
