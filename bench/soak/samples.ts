import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Sidecar } from '../edge/sidecar.ts';

/** Connections that we have closed are closed over there within this. */
const SETTLE_MS = 500;
const SETTLE_POLL_MS = 50;

/** What a process holds at one moment. */
export interface Sample {
  /** Seconds since the first one. */
  readonly at: number;
  readonly rssMb: number;
  readonly handles: number;
  /** Transactions that its edge holds. */
  readonly transactions: number;
  /** Size of the files in its data directory. */
  readonly dataMb: number;
}

/** Looks at a sidecar again and again until it is stopped. Linux only. */
export class Samples {
  readonly all: Sample[] = [];
  readonly #began = performance.now();
  readonly #looking: Promise<void>;
  #stopped = false;

  constructor(
    private readonly sidecar: Sidecar,
    private readonly everyMs: number,
  ) {
    this.#looking = this.#look();
    // It is thrown when we are stopped.
    this.#looking.catch(() => {});
  }

  /** @throws when the sidecar did not say how it is */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { pid, directory } = this.sidecar;
    while (!this.#stopped) {
      const { serverTransactions, clientTransactions } = await this.sidecar.holding();
      this.all.push({
        at: (performance.now() - this.#began) / 1000,
        rssMb: rssMb(pid),
        handles: handles(pid),
        transactions: serverTransactions + clientTransactions,
        dataMb: dataMb(join(directory, 'data')),
      });
      await Bun.sleep(this.everyMs);
    }
  }
}

export function rssMb(pid: number): number {
  const kb = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kb ?? 0) / 1024;
}

/** Open files, sockets and the like. */
export function handles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** The handles of a process once they have been as many for a while. */
export async function settledHandles(pid: number): Promise<number> {
  let last = handles(pid);
  for (let unchanged = 0; unchanged < SETTLE_MS; unchanged += SETTLE_POLL_MS) {
    await Bun.sleep(SETTLE_POLL_MS);
    const now = handles(pid);
    if (now !== last) unchanged = 0;
    last = now;
  }
  return last;
}

function dataMb(directory: string): number {
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0) / 2 ** 20;
}

/** The median of a figure over the samples of some stretch of time; NaN when there are none. */
export function medianBetween(samples: readonly Sample[], figure: keyof Sample, from: number, to: number): number {
  const values = samples.filter(({ at }) => at >= from && at < to).map((s) => s[figure]);
  values.sort((a, b) => a - b);
  return values[values.length >> 1] ?? Number.NaN;
}
