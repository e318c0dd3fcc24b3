import type { Database } from 'bun:sqlite';
import type { ClientPasswordCipher } from '../sql/client-password.ts';

/** The columns that are encrypted. */
const COLUMNS = [
  ['clients', 'password'],
  ['webhooks', 'password'],
  ['accounts', 'webhook_secret'],
  ['voip_carriers', 'register_password'],
] as const;

/** The row of `settings` with {@link PROOF}, encrypted: it tells the key of the other secrets from a wrong one. */
const PROOF_ROW = 'proof';
const PROOF = 'sbc-sip-sidecar';

/** Encrypts all secrets with `cipher` instead of `found`, unless they are already. */
export function encryptAnew(database: Database, found: ClientPasswordCipher, cipher: ClientPasswordCipher): void {
  if (isProven(database, cipher)) return;
  // The old values must not stay in free pages of the file.
  database.run('PRAGMA secure_delete = ON');
  database.transaction(() => {
    for (const [table, column] of COLUMNS) encryptColumn(database, table, column, found, cipher);
    prove(database, cipher);
  })();
  database.run('PRAGMA wal_checkpoint(TRUNCATE)');
}

/** Records that all secrets are encrypted with this cipher; call it in the transaction that writes them. */
export function prove(database: Database, cipher: ClientPasswordCipher): void {
  database.query('INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)').run(PROOF_ROW, cipher.encrypt(PROOF));
}

function isProven(database: Database, cipher: ClientPasswordCipher): boolean {
  const proof = proofIn(database);
  return proof !== undefined && cipher.decrypt(proof) === PROOF;
}

/** Whether anything in the database depends on a key. */
export function hasSecrets(database: Database): boolean {
  return proofIn(database) !== undefined || secretsIn(database, 'clients', 'password').length > 0;
}

/** The first of these ciphers that the secrets are encrypted with, or could be. */
export function cipherOf(
  database: Database,
  ciphers: readonly ClientPasswordCipher[],
): ClientPasswordCipher | undefined {
  if (proofIn(database) !== undefined) return ciphers.find((cipher) => isProven(database, cipher));
  // Earlier versions wrote no proof, and encrypted the passwords of clients only.
  const passwords = secretsIn(database, 'clients', 'password');
  return ciphers.find((cipher) => passwords.every(({ secret }) => cipher.decrypt(secret) !== undefined));
}

function encryptColumn(
  database: Database,
  table: string,
  column: string,
  found: ClientPasswordCipher,
  cipher: ClientPasswordCipher,
): void {
  const update = database.query(`UPDATE ${table} SET ${column} = ? WHERE rowid = ?`);
  for (const { rowid, secret } of secretsIn(database, table, column))
    update.run(cipher.encrypt(found.decrypt(secret) ?? secret), rowid);
}

function secretsIn(database: Database, table: string, column: string): { rowid: number; secret: string }[] {
  return database
    .query<{ rowid: number; secret: string }, []>(
      `SELECT rowid, ${column} AS secret FROM ${table} WHERE ${column} IS NOT NULL`,
    )
    .all();
}

function proofIn(database: Database): string | undefined {
  return database.query<{ value: string }, [string]>('SELECT value FROM settings WHERE name = ?').get(PROOF_ROW)?.value;
}
