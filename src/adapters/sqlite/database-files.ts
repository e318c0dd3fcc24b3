import { closeSync, fdatasync, fstatSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';

/** The two files of a database in WAL mode. A sync runs in a thread of the runtime's pool. */
export interface DatabaseFiles {
  /** Size of the write-ahead log. */
  logBytes(): number;
  /** @throws SyncFault */
  syncLog(): Promise<void>;
  /** @throws SyncFault */
  syncDatabase(): Promise<void>;
  close(): void;
}

/**
 * A sync failed. The kernel reports that once and takes the pages for written afterwards, so the next sync proves nothing
 * about them. Recovery at the next start writes them again.
 */
export class SyncFault extends Error {
  override readonly name = 'SyncFault';
}

/**
 * Opens both files, which must exist, and syncs what an earlier process has left in the page cache. Close them after the
 * last connection of this process: the first `close` of a file ends all locks that the process has on it.
 */
export function openFiles(database: string): DatabaseFiles {
  const log = openSync(`${database}-wal`, 'r');
  const file = openSync(database, 'r');
  const directory = openSync(dirname(database), 'r');
  for (const descriptor of [log, file, directory]) fsyncSync(descriptor);
  closeSync(directory);
  return {
    logBytes: () => fstatSync(log).size,
    syncLog: () => sync(log, `${database}-wal`),
    syncDatabase: () => sync(file, database),
    close() {
      closeSync(log);
      closeSync(file);
    },
  };
}

function sync(descriptor: number, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(descriptor, (cause) => {
      if (cause) reject(new SyncFault(`${path} cannot be synced to disk: ${cause.message}`, { cause }));
      else resolve();
    });
  });
}
