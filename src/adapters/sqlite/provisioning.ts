import type { Database } from 'bun:sqlite';
import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path';
import type {
  ProvisionedAccount,
  ProvisionedCounts,
  Provisioning,
  ProvisioningStore,
} from '../../ports/provisioning.ts';
import type { ClientPasswordCipher } from '../sql/client-password.ts';
import { inDirectory } from './data-error.ts';
import { applyCarriers } from './provisioned-carriers.ts';
import { prove } from './secrets.ts';

export class SqliteProvisioning implements ProvisioningStore {
  constructor(
    private readonly database: Database,
    private readonly cipher: ClientPasswordCipher,
  ) {}

  apply({ accounts, carriers }: Provisioning): void {
    const write = this.database.transaction(() => {
      const sids = this.#applyAccounts(accounts);
      applyCarriers(this.database, carriers, sids, (secret) => this.cipher.encrypt(secret));
      prove(this.database, this.cipher);
    });
    this.#run(() => write.immediate());
  }

  counts(): ProvisionedCounts {
    const row = this.#run(() =>
      this.database
        .query<ProvisionedCounts, []>(
          `SELECT (SELECT count(*) FROM accounts) AS accounts, (SELECT count(*) FROM clients) AS clients,
             (SELECT count(*) FROM voip_carriers) AS carriers, (SELECT count(*) FROM sip_gateways) AS gateways`,
        )
        .get(),
    );
    return row ?? { accounts: 0, clients: 0, carriers: 0, gateways: 0 };
  }

  clientPassword(realm: string, username: string): string | undefined {
    const row = this.#run(() =>
      this.database
        .query<{ password: string }, [string, string]>(
          'SELECT c.password FROM clients c JOIN accounts a USING (account_sid) WHERE a.sip_realm = ? AND c.username = ?',
        )
        .get(realm, username),
    );
    return row ? this.cipher.decrypt(row.password) : undefined;
  }

  #run<T>(work: () => T): T {
    return inDirectory(dirname(this.database.filename), work);
  }

  #encrypted(secret: string | undefined): string | null {
    return secret === undefined ? null : this.cipher.encrypt(secret);
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
        .run(webhookSid, webhook.url, webhook.method, webhook.username ?? null, this.#encrypted(webhook.password));
    this.database
      .query(
        `INSERT INTO accounts (account_sid, name, sip_realm, registration_hook_sid, is_active, webhook_secret)
         VALUES (?, ?, ?, ?, ?, ?)`,
      )
      .run(sid, realm, realm, webhookSid, isActive, this.#encrypted(webhook?.secret));
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
