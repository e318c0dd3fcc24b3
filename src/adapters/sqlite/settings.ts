import type { Database } from 'bun:sqlite';
import { randomBytes } from 'node:crypto';
import { ClientPasswordCipher } from '../sql/client-password.ts';
import { DataError, moveAway } from './data-error.ts';
import { cipherOf, encryptAnew, hasSecrets } from './secrets.ts';

/** The secret of this database, created on first use. The database file is readable by its owner only. */
export function ownSecret(database: Database): string {
  database
    .query("INSERT OR IGNORE INTO settings (name, value) VALUES ('secret', ?)")
    .run(randomBytes(32).toString('base64url'));
  const secret = storedSecret(database);
  if (secret === undefined) throw new Error('the secret that was just stored is not there');
  return secret;
}

/** Writes the time of the start: a disk that is full or read-only shows itself. @throws SQLiteError */
export function recordStart(database: Database): void {
  database.run("INSERT OR REPLACE INTO settings (name, value) VALUES ('started', datetime('now'))");
}

export interface GivenSecret {
  /** ENCRYPTION_SECRET; undefined: {@link ownSecret} is used. */
  readonly given: string | undefined;
  readonly legacy: boolean;
  /** Whether a provisioning file is about to replace all that is encrypted. */
  readonly replaced: boolean;
}

/**
 * Makes the stored secrets readable with `cipher`. Those that {@link ownSecret} encrypts are encrypted anew when
 * ENCRYPTION_SECRET is given, and that secret is removed.
 * @param directory for the message
 * @throws DataError when they are encrypted with another key and not replaced
 */
export function unlockSecrets(
  database: Database,
  directory: string,
  cipher: ClientPasswordCipher,
  secret: GivenSecret,
): void {
  const found = mustUnlock(database, directory, secret);
  if (found) encryptAnew(database, found, cipher);
  if (secret.given !== undefined) database.run("DELETE FROM settings WHERE name = 'secret'");
}

/**
 * The cipher of the stored secrets; undefined when there are none, or when it is not known and they are replaced.
 * @throws DataError when it is not known otherwise
 */
export function mustUnlock(
  database: Database,
  directory: string,
  { given, legacy, replaced }: GivenSecret,
): ClientPasswordCipher | undefined {
  const secrets = [given, storedSecret(database)].filter((secret) => secret !== undefined);
  const ciphers = secrets.flatMap((s) => [legacy, !legacy].map((mode) => new ClientPasswordCipher(s, mode)));
  const found = cipherOf(database, ciphers);
  if (found || replaced || !hasSecrets(database)) return found;
  const key = given === undefined ? 'an ENCRYPTION_SECRET, which is missing' : 'another ENCRYPTION_SECRET';
  throw new DataError(
    directory,
    `its passwords are encrypted with ${key}; give that one, or accounts with --provision; ${moveAway(directory)}`,
  );
}

function storedSecret(database: Database): string | undefined {
  return database.query<{ value: string }, []>("SELECT value FROM settings WHERE name = 'secret'").get()?.value;
}
