import type { Database } from 'bun:sqlite';
import { randomBytes } from 'node:crypto';

/** The secret of this database: made once, kept beside what it encrypts, in a file that only its owner can read. */
export function ownSecret(database: Database): string {
  database
    .query("INSERT OR IGNORE INTO settings (name, value) VALUES ('secret', ?)")
    .run(randomBytes(32).toString('base64url'));
  const row = database.query<{ value: string }, []>("SELECT value FROM settings WHERE name = 'secret'").get();
  if (!row) throw new Error('the secret that was just stored is not there');
  return row.value;
}
