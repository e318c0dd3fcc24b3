import type { Database } from 'bun:sqlite';
import { randomUUID } from 'node:crypto';
import type { ProvisionedAccount, Provisioning, ProvisioningStore } from '../../ports/provisioning.ts';
import type { ClientPasswordCipher } from '../sql/client-password.ts';
import { guarded } from './guarded.ts';
import { applyCarriers } from './provisioned-carriers.ts';

export class SqliteProvisioning implements ProvisioningStore {
  constructor(
    private readonly database: Database,
    private readonly cipher: ClientPasswordCipher,
  ) {}

  apply({ accounts, carriers }: Provisioning): void {
    const replace = this.database.transaction(() => {
      const sids = this.#applyAccounts(accounts);
      applyCarriers(this.database, carriers, sids);
    });
    guarded(() => replace());
  }

  hasAccounts(): boolean {
    return this.database.query('SELECT 1 FROM accounts LIMIT 1').get() !== null;
  }

  clientPassword(realm: string, username: string): string | undefined {
    const row = this.database
      .query<{ password: string }, [string, string]>(
        'SELECT c.password FROM clients c JOIN accounts a USING (account_sid) WHERE a.sip_realm = ? AND c.username = ?',
      )
      .get(realm, username);
    return row ? this.cipher.decrypt(row.password) : undefined;
  }

  /** @returns sids by realm */
  #applyAccounts(accounts: readonly ProvisionedAccount[]): Map<string, string> {
    const known = this.database
      .query<{ account_sid: string; sip_realm: string }, []>('SELECT account_sid, sip_realm FROM accounts')
      .all();
    const before = new Map(known.map((row) => [row.sip_realm.toLowerCase(), row.account_sid]));
    const sids = new Map<string, string>();
    this.database.run('DELETE FROM clients');
    this.database.run('DELETE FROM accounts');
    this.database.run('DELETE FROM webhooks');
    for (const account of accounts) {
      const sid = before.get(account.realm) ?? randomUUID();
      sids.set(account.realm, sid);
      this.#insertAccount(sid, account);
    }
    return sids;
  }

  #insertAccount(sid: string, { realm, isActive, webhook, clients }: ProvisionedAccount): void {
    const webhookSid = webhook ? randomUUID() : null;
    if (webhook)
      this.database
        .query('INSERT INTO webhooks (webhook_sid, url, method, username, password) VALUES (?, ?, ?, ?, ?)')
        .run(webhookSid, webhook.url, webhook.method, webhook.username ?? null, webhook.password ?? null);
    this.database
      .query(
        `INSERT INTO accounts (account_sid, name, sip_realm, registration_hook_sid, is_active, webhook_secret)
         VALUES (?, ?, ?, ?, ?, ?)`,
      )
      .run(sid, realm, realm, webhookSid, isActive, webhook?.secret ?? null);
    const insertClient = this.database.query(
      `INSERT INTO clients (client_sid, account_sid, is_active, username, password, allow_direct_app_calling,
         allow_direct_queue_calling, allow_direct_user_calling) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    for (const { username, password, isActive, grant } of clients)
      insertClient.run(
        randomUUID(),
        sid,
        isActive,
        username,
        this.cipher.encrypt(password),
        grant.allowDirectAppCalling,
        grant.allowDirectQueueCalling,
        grant.allowDirectUserCalling,
      );
  }
}
