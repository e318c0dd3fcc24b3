import type { Database } from 'bun:sqlite';
import { randomBytes } from 'node:crypto';

/** The secret of this database, created on first use. The database file is readable by its owner only. */
export function ownSecret(database: Database): string {
  database
    .query("INSERT OR IGNORE INTO settings (name, value) VALUES ('secret', ?)")
    .run(randomBytes(32).toString('base64url'));
  const row = database.query<{ value: string }, []>("SELECT value FROM settings WHERE name = 'secret'").get();
  if (!row) throw new Error('the secret that was just stored is not there');
  return row.value;
}
