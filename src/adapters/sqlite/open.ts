import { Database } from 'bun:sqlite';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { SCHEMA } from './schema.ts';

/**
 * Opens, and makes when it is not there, the database of embedded mode.
 * @param directory made with mode 0700
 * @param durable true: a sync at every commit, so that what is committed survives the process and the power. False: it
 * survives the process, and is some hundred times cheaper; for what is written again soon anyway
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
