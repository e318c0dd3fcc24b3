import { readdirSync, readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';

// Processes as /proc shows them: Linux only.

export interface Watched {
  readonly name: string;
  readonly pid: number;
}

/** What a process with all its threads used during a run. */
export interface Usage {
  readonly name: string;
  /** User and system time in ms, in steps of 10 ms. */
  readonly cpuMs: number;
  /** The largest sample of its resident memory, MB (2^20 bytes). */
  readonly rssMb: number;
}

/** USER_HZ of Linux: 100 on every architecture that Bun runs on. */
const TICKS_PER_SECOND = 100;
const SAMPLE_MS = 250;
const SETTLED_MS = 500;
const SETTLED_POLL_MS = 50;

/**
 * Measures processes, and this one as `generator`, until `stop`. Those of one name are counted together. Throws when one of
 * them does not exist.
 */
export class Watch {
  readonly #own = process.cpuUsage();
  readonly #seen: { watched: Watched; cpuMs: number; rssMb: number }[];
  #ownRssMb = ownRssMb();
  readonly #timer: Timer;

  constructor(processes: readonly Watched[]) {
    this.#seen = processes.map((watched) => ({ watched, cpuMs: cpuMs(watched), rssMb: rssMb(watched) }));
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  stop(): Usage[] {
    clearInterval(this.#timer);
    this.#sample();
    const own = process.cpuUsage(this.#own);
    const byName = Map.groupBy(this.#seen, ({ watched }) => watched.name);
    return [
      ...[...byName].map(([name, group]) => ({
        name,
        cpuMs: group.reduce((sum, { watched, cpuMs: before }) => sum + cpuMs(watched) - before, 0),
        rssMb: group.reduce((sum, { rssMb }) => sum + rssMb, 0),
      })),
      { name: 'generator', cpuMs: (own.user + own.system) / 1000, rssMb: this.#ownRssMb },
    ];
  }

  #sample(): void {
    for (const seen of this.#seen) seen.rssMb = Math.max(seen.rssMb, rssMb(seen.watched));
    this.#ownRssMb = Math.max(this.#ownRssMb, ownRssMb());
  }
}

/** The machine in one line: processor, cores, memory, kernel, and the Bun that runs the generator. */
export function machine(): string {
  const cores = cpus();
  const memory = `${(totalmem() / 2 ** 30).toFixed(1)} GB`;
  return `${cores[0]?.model ?? 'unknown processor'}, ${cores.length} cores, ${memory}, ${type()} ${release()}, Bun ${Bun.version}`;
}

/** A process, its children, and theirs, as they are now, all by its name. Throws when it does not exist. */
export function processTree({ name, pid }: Watched): Watched[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    read({ name, pid }, `task/${thread}/children`).split(' ').filter(Boolean).map(Number),
  );
  return [{ name, pid }, ...children.flatMap((child) => processTree({ name, pid: child }))];
}

/** User and system time of all its threads so far, ms. Throws when it does not exist. */
export function cpuMs(watched: Watched): number {
  const stat = read(watched, 'stat');
  // The second field is the command in parentheses and may contain anything, parentheses included.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

/** Its resident memory, MB (2^20 bytes). Throws when it does not exist. */
export function rssMb(watched: Watched): number {
  return statusMb(watched, 'VmRSS');
}

/** The most resident memory that it has had, MB (2^20 bytes). Throws when it does not exist. */
export function peakRssMb(watched: Watched): number {
  return statusMb(watched, 'VmHWM');
}

/** Its open file descriptors. Throws when it does not exist. */
export function handles({ pid }: Watched): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Its handles once their number no longer changes: a peer closes its end of our connections a little later. */
export async function settledHandles(watched: Watched): Promise<number> {
  let last = handles(watched);
  for (let unchangedMs = 0; unchangedMs < SETTLED_MS; unchangedMs += SETTLED_POLL_MS) {
    await Bun.sleep(SETTLED_POLL_MS);
    const now = handles(watched);
    if (now !== last) unchangedMs = 0;
    last = now;
  }
  return last;
}

function ownRssMb(): number {
  return process.memoryUsage.rss() / 2 ** 20;
}

function statusMb(watched: Watched, field: string): number {
  const kb = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(read(watched, 'status'))?.[1];
  return Number(kb ?? 0) / 1024;
}

function read({ name, pid }: Watched, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (cause) {
    throw new Error(`process ${name} (pid ${pid}) is not there`, { cause });
  }
}
