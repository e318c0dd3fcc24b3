import { Database } from 'bun:sqlite';
import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { inDirectory } from './data-error.ts';
import { SCHEMA } from './schema.ts';

export const DATABASE_FILE = 'sidecar.db';

/**
 * Opens or creates the database in a data directory. SQLite syncs every commit to disk.
 * @throws DataError
 */
export function openSqlite(directory: string): Database {
  return inDirectory(directory, () => {
    const file = join(directory, DATABASE_FILE);
    // SQLite gives its other files the mode of this one. Never opened here when it exists: to close it again would
    // release the locks of other connections in this process.
    if (existsSync(file)) chmodSync(file, 0o600);
    else closeSync(openSync(file, 'wx', 0o600));
    const database = new Database(file, { create: true, strict: true });
    try {
      database.run('PRAGMA busy_timeout = 2000');
      database.run('PRAGMA journal_mode = WAL');
      database.run('PRAGMA synchronous = FULL');
      database.run('PRAGMA foreign_keys = ON');
      // One sync rather than one for each table.
      database.transaction(() => database.run(SCHEMA))();
    } catch (error) {
      database.close();
      throw error;
    }
    return database;
  });
}
