import type { Database } from 'bun:sqlite';
import { randomUUID } from 'node:crypto';
import type { ProvisionedAccount, Provisioning } from '../../provision/file.ts';
import type { ClientPasswordCipher } from '../sql/client-password.ts';
import { applyCarriers } from './provisioned-carriers.ts';

/** Replaces all accounts and carriers in one transaction. Those that remain keep their sids. */
export function applyProvisioning(
  database: Database,
  cipher: ClientPasswordCipher,
  { account, carrier }: Provisioning,
): void {
  database.transaction(() => {
    const existing = database.query<{ account_sid: string; sip_realm: string }, []>(
      'SELECT account_sid, sip_realm FROM accounts',
    );
    const existingSids = new Map(existing.all().map((row) => [row.sip_realm.toLowerCase(), row.account_sid]));
    const sids = new Map<string, string>();
    database.run('DELETE FROM clients');
    database.run('DELETE FROM accounts');
    database.run('DELETE FROM webhooks');
    for (const each of account) {
      const sid = existingSids.get(each.realm) ?? randomUUID();
      sids.set(each.realm, sid);
      insertAccount(database, cipher, each, sid);
    }
    applyCarriers(database, carrier, sids);
  })();
}

function insertAccount(
  database: Database,
  cipher: ClientPasswordCipher,
  { realm, active, webhook, client }: ProvisionedAccount,
  sid: string,
): void {
  const webhookSid = webhook ? randomUUID() : null;
  if (webhook)
    database
      .query('INSERT INTO webhooks (webhook_sid, url, method, username, password) VALUES (?, ?, ?, ?, ?)')
      .run(webhookSid, webhook.url, webhook.method, webhook.username ?? null, webhook.password ?? null);
  database
    .query(
      `INSERT INTO accounts (account_sid, name, sip_realm, registration_hook_sid, is_active, webhook_secret)
       VALUES (?, ?, ?, ?, ?, ?)`,
    )
    .run(sid, realm, realm, webhookSid, active, webhook?.secret ?? null);
  const insertClient = database.query(
    `INSERT INTO clients (client_sid, account_sid, is_active, username, password, allow_direct_app_calling,
       allow_direct_queue_calling, allow_direct_user_calling) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  for (const c of client)
    insertClient.run(
      randomUUID(),
      sid,
      c.active,
      c.username,
      cipher.encrypt(c.password),
      c.allow_direct_app_calling,
      c.allow_direct_queue_calling,
      c.allow_direct_user_calling,
    );
}
