import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { handles, rssMb } from '../lib/proc.ts';
import { edgeStatus, type Sidecar } from '../lib/sidecar.ts';
import { spread } from '../lib/spread.ts';

export interface Sample {
  readonly at: number;
  readonly rssMb: number;
  readonly handles: number;
  readonly transactions: number;
  readonly dataMb: number;
}

/** Samples a sidecar until `stop`. */
export class Samples {
  readonly all: Sample[] = [];
  readonly #began = performance.now();
  readonly #sampling: Promise<void>;
  #stopped = false;

  constructor(
    private readonly sidecar: Sidecar,
    private readonly everyMs: number,
  ) {
    this.#sampling = this.#sample();
    // `stop` throws the error.
    this.#sampling.catch(() => {});
  }

  /** @throws when the sidecar did not answer */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#sampling;
  }

  async #sample(): Promise<void> {
    while (!this.#stopped) {
      const { serverTransactions, clientTransactions } = await edgeStatus(this.sidecar);
      this.all.push({
        at: (performance.now() - this.#began) / 1000,
        rssMb: rssMb(this.sidecar),
        handles: handles(this.sidecar),
        transactions: serverTransactions + clientTransactions,
        dataMb: dataMb(this.sidecar.dataDirectory),
      });
      await Bun.sleep(this.everyMs);
    }
  }
}

function dataMb(directory: string): number {
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0) / 2 ** 20;
}

/** The median of a figure over the samples from `from` to `to` seconds; NaN when there are none. */
export function medianBetween(samples: readonly Sample[], figure: keyof Sample, from: number, to: number): number {
  return spread(samples.filter(({ at }) => at >= from && at < to).map((sample) => sample[figure])).median;
}
