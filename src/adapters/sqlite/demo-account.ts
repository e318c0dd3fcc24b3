import type { Database } from 'bun:sqlite';
import { randomBytes } from 'node:crypto';
import type { ClientPasswordCipher } from '../sql/client-password.ts';
import { applyProvisioning } from './provisioning.ts';

export interface DemoAccount {
  readonly realm: string;
  readonly username: string;
  readonly password: string;
}

const REALM = 'sidecar.test';
const USERNAME = 'demo';

/** Creates the demo account in a database without accounts. @returns undefined when it has other accounts */
export function demoAccount(database: Database, cipher: ClientPasswordCipher): DemoAccount | undefined {
  const count = database.query<{ n: number }, []>('SELECT count(*) AS n FROM accounts').get()?.n ?? 0;
  if (count === 0) {
    const password = randomBytes(9).toString('base64url');
    const flags = {
      active: true,
      allow_direct_app_calling: true,
      allow_direct_queue_calling: true,
      allow_direct_user_calling: true,
    };
    const client = [{ username: USERNAME, password, ...flags }];
    applyProvisioning(database, cipher, { account: [{ realm: REALM, active: true, client }], carrier: [] });
  }
  const row = database
    .query<{ password: string }, [string, string]>(
      'SELECT c.password FROM clients c JOIN accounts a USING (account_sid) WHERE a.sip_realm = ? AND c.username = ?',
    )
    .get(REALM, USERNAME);
  const password = row ? cipher.decrypt(row.password) : undefined;
  return password === undefined ? undefined : { realm: REALM, username: USERNAME, password };
}
