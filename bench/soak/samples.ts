import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { handles, rssMb } from '../lib/proc.ts';
import type { Reading } from '../lib/sampler.ts';
import { edgeStatus, type Sidecar } from '../lib/sidecar.ts';
import { spread } from '../lib/spread.ts';

export interface Sample {
  readonly rssMb: number;
  readonly handles: number;
  readonly transactions: number;
  readonly dataMb: number;
}

/** @throws when the sidecar does not answer */
export async function sample(sidecar: Sidecar): Promise<Sample> {
  const { serverTransactions, clientTransactions } = await edgeStatus(sidecar);
  return {
    rssMb: rssMb(sidecar),
    handles: handles(sidecar),
    transactions: serverTransactions + clientTransactions,
    dataMb: dataMb(sidecar.dataDirectory),
  };
}

function dataMb(directory: string): number {
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0) / 2 ** 20;
}

/** The median of a figure over the readings from `from` to `to` seconds; NaN when there are none. */
export function medianBetween(
  readings: readonly Reading<Sample>[],
  figure: keyof Sample,
  from: number,
  to: number,
): number {
  return spread(readings.filter(({ at }) => at >= from && at < to).map(({ value }) => value[figure])).median;
}
