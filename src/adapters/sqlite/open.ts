import { Database } from 'bun:sqlite';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { SCHEMA } from './schema.ts';

/**
 * Opens, and makes when it is not there, the database of embedded mode. WAL with a sync at every commit: what is
 * committed survives the process and the power.
 * @param directory made with mode 0700
 */
export function openSqlite(directory: string): Database {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, 'sidecar.db');
  const database = new Database(file, { create: true, strict: true });
  chmodSync(file, 0o600);
  database.run('PRAGMA journal_mode = WAL');
  database.run('PRAGMA synchronous = FULL');
  database.run('PRAGMA busy_timeout = 2000');
  database.run('PRAGMA foreign_keys = ON');
  database.run(SCHEMA);
  return database;
}
