import { readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';

/** A process whose cost is measured beside the load, by the name the report gives it. */
export interface Watched {
  readonly name: string;
  readonly pid: number;
}

/** What a process used over a window, all its threads together. */
export interface Usage {
  readonly name: string;
  /** User and system time in ms; /proc counts in steps of 10 ms. */
  readonly cpuMs: number;
  /** The highest of the samples of its resident memory, in MB (2^20 bytes). */
  readonly rssMb: number;
}

/** USER_HZ of Linux: 100 on every architecture that Bun runs on. */
const TICKS_PER_SECOND = 100;

/** Often enough to see a peak that lasts; a look costs some 20 µs a process. */
const SAMPLE_MS = 250;

/** Watches processes from its making until `stop`. Throws when one of them is not there. */
export class Watch {
  readonly #own = process.cpuUsage();
  readonly #seen: { watched: Watched; cpuMs: number; rssMb: number }[];
  #ownRssMb = ownRssMb();
  readonly #timer: Timer;

  constructor(processes: readonly Watched[]) {
    this.#seen = processes.map((watched) => ({ watched, cpuMs: cpuMs(watched), rssMb: rssMb(watched) }));
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  /** The figures since the start: of every process, and of this one under the name `generator` at the end. */
  stop(): Usage[] {
    clearInterval(this.#timer);
    this.#sample();
    const own = process.cpuUsage(this.#own);
    return [
      ...this.#seen.map(({ watched, cpuMs: before, rssMb }) => ({
        name: watched.name,
        cpuMs: cpuMs(watched) - before,
        rssMb,
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

/** User and system time of all its threads so far, in ms. Throws when it is not there. */
export function cpuMs(watched: Watched): number {
  const stat = read(watched, 'stat');
  // The second field is the command in parentheses and may hold anything, so counting starts behind the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

/** Its resident memory now, in MB (2^20 bytes). Throws when it is not there. */
export function rssMb(watched: Watched): number {
  const kb = /^VmRSS:\s+(\d+) kB/m.exec(read(watched, 'status'))?.[1];
  return Number(kb ?? 0) / 1024;
}

function ownRssMb(): number {
  return process.memoryUsage.rss() / 2 ** 20;
}

function read({ name, pid }: Watched, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (cause) {
    throw new Error(`process ${name} (pid ${pid}) is not there`, { cause });
  }
}
