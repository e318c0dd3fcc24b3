import { readdirSync, readFileSync, statSync } from 'node:fs';

/** What the operating system says of this process, under the names that all Prometheus clients use. */
export interface ProcessFigures {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** undefined where there is no /proc. */
  readonly openFds: number | undefined;
  readonly maxFds: number | undefined;
}

export function processFigures(): ProcessFigures {
  const { user, system } = process.cpuUsage();
  return {
    cpuSeconds: (user + system) / 1e6,
    residentBytes: process.memoryUsage.rss(),
    openFds: tryRead(openFds),
    maxFds: tryRead(maxFds),
  };
}

/** Since Linux 6.2 the size of the directory is their number; listing it takes long with thousands of connections. */
function openFds(): number {
  return statSync('/proc/self/fd').size || readdirSync('/proc/self/fd').length;
}

function maxFds(): number | undefined {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const [, soft] = /^Max open files +(\d+)/m.exec(limits) ?? [];
  return soft === undefined ? undefined : Number(soft);
}

function tryRead<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
