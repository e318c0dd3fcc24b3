import { Database } from 'bun:sqlite';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { SCHEMA } from './schema.ts';

/**
 * Opens or creates the database of embedded mode; creates `directory` with mode 0700.
 * @param durable sync to disk at every commit, to survive a power failure; about a hundred times slower
 */
export function openSqlite(directory: string, { durable = true } = {}): Database {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, 'sidecar.db');
  const database = new Database(file, { create: true, strict: true });
  chmodSync(file, 0o600);
  database.run('PRAGMA journal_mode = WAL');
  database.run(`PRAGMA synchronous = ${durable ? 'FULL' : 'NORMAL'}`);
  database.run('PRAGMA busy_timeout = 2000');
  database.run('PRAGMA foreign_keys = ON');
  database.run(SCHEMA);
  return database;
}
