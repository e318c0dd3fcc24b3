import { Database } from 'bun:sqlite';
import { existsSync, statfsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { holderOf, inspectDataDirectory } from './data-directory.ts';
import { DataError, inDirectory, moveAway } from './data-error.ts';
import { DATABASE_FILE } from './open.ts';
import { type GivenSecret, mustUnlock } from './settings.ts';

export interface DataState {
  /** Absolute. */
  readonly path: string;
  readonly state: 'missing' | 'present';
  /** The running sidecar that has it; its database is not looked into then. */
  readonly holder: string | undefined;
  readonly freeBytes: number;
}

/**
 * Checks a data directory, its database and the key of its secrets, and changes nothing. Reads the whole database.
 * @throws DataError for anything that would stop a sidecar
 */
export function inspectData(directory: string, secret: GivenSecret): DataState {
  const path = resolve(directory);
  const isThere = inspectDataDirectory(path);
  const holder = isThere ? inDirectory(path, () => holderOf(path)) : undefined;
  if (isThere && holder === undefined) inDirectory(path, () => inspectDatabase(path, secret));
  const { bavail, bsize } = statfsSync(isThere ? path : dirname(path));
  const freeBytes = bavail * bsize;
  if (freeBytes === 0) throw new DataError(path, 'the disk is full; free some space', true);
  return { path, state: isThere ? 'present' : 'missing', holder, freeBytes };
}

function inspectDatabase(path: string, secret: GivenSecret): void {
  const file = join(path, DATABASE_FILE);
  if (!existsSync(file)) return;
  const database = new Database(file, { readonly: true, strict: true });
  try {
    const found = database.query<{ quick_check: string }, []>('PRAGMA quick_check(1)').get()?.quick_check;
    if (found !== undefined && found !== 'ok')
      throw new DataError(path, `its database is corrupt (${found.split('\n')[0]}); ${moveAway(path)}`);
    const isOurs = database.query("SELECT 1 FROM sqlite_schema WHERE name = 'settings'").get() !== null;
    if (isOurs) mustUnlock(database, path, secret);
  } finally {
    database.close();
  }
}
