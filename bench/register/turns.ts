import { Watch, type Watched } from '../lib/proc.ts';
import { REALM } from '../lib/sidecar.ts';
import { Load, type RunOptions } from './load.ts';
import type { Run } from './report.ts';
import type { Target } from './source.ts';

const SOURCES = 50;

/** Phones of user1 and so on, on 50 sockets. @param passwordPattern by default that of `startSidecar` */
export function openPhones(target: Target, users: number, passwordPattern = 'secret%d'): Promise<Load> {
  const userPattern = 'user%d';
  return Load.open({ target, realm: REALM, users, userPattern, passwordPattern, sources: SOURCES, expires: 3600 });
}

/** One of several registrars that are loaded in turn. */
export interface Lane {
  readonly name: string;
  readonly load: Load;
  /** Measured while this one is loaded. */
  readonly processes: readonly Watched[];
}

/**
 * Loads each lane `runs` times, in turn (A B A B), so that other activity on the machine affects all alike.
 * @param progress called with the name of what runs now
 * @returns the runs of each lane
 */
export async function inTurn(
  lanes: readonly Lane[],
  runs: number,
  options: RunOptions,
  progress: (text: string) => void,
): Promise<Run[][]> {
  const results = lanes.map((): Run[] => []);
  for (let run = 1; run <= runs; run++) {
    for (const [i, { name, load, processes }] of lanes.entries()) {
      progress(`${name}: run ${run} of ${runs}`);
      const watch = new Watch(processes);
      const counts = await load.run(options);
      results[i]?.push({ counts, seconds: options.seconds, usage: watch.stop() });
    }
  }
  return results;
}

/** A line on the terminal that the next one replaces; '' clears it. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
