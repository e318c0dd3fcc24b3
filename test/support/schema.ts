import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import type { RowDataPacket } from 'mysql2/promise';
import type { Mariadb } from './mariadb.ts';
import { basicCredentials, secret, urlSecrets } from './secrets.ts';

const ROWS_PER_INSERT = 1000;

export interface AccountSeed {
  readonly realm: string;
  /** Default true. */
  readonly isActive?: boolean;
  readonly webhook?: {
    readonly url: string;
    readonly method?: 'GET' | 'POST';
    readonly username?: string;
    readonly password?: string;
  };
  readonly webhookSecret?: string;
  /** Default 5, from the schema. */
  readonly deviceToCallRatio?: number;
  readonly serviceProviderSid?: string;
}

/** @returns the account_sid */
export async function insertAccount(database: Mariadb, seed: AccountSeed): Promise<string> {
  const accountSid = crypto.randomUUID();
  let hookSid: string | null = null;
  if (seed.webhook) {
    registerSecretsOf(seed.webhook);
    hookSid = crypto.randomUUID();
    await insert(database, 'webhooks', {
      webhook_sid: hookSid,
      url: seed.webhook.url,
      method: seed.webhook.method ?? 'POST',
      username: seed.webhook.username ?? null,
      password: seed.webhook.password ?? null,
    });
  }
  await insert(database, 'accounts', {
    account_sid: accountSid,
    name: seed.realm.slice(0, 64),
    sip_realm: seed.realm,
    service_provider_sid: seed.serviceProviderSid ?? null,
    registration_hook_sid: hookSid,
    is_active: Number(seed.isActive ?? true),
    webhook_secret: seed.webhookSecret === undefined ? null : secret('webhook_secret', seed.webhookSecret),
    ...(seed.deviceToCallRatio === undefined ? {} : { device_to_call_ratio: seed.deviceToCallRatio }),
  });
  return accountSid;
}

function registerSecretsOf({ url, username = '', password }: NonNullable<AccountSeed['webhook']>): void {
  urlSecrets(url);
  if (password !== undefined) basicCredentials(username, secret('the password of a webhook', password));
}

export interface ClientSeed {
  readonly accountSid: string;
  readonly username: string;
  readonly password: string;
  readonly secret: string;
  readonly legacy?: boolean;
  readonly isActive?: boolean;
  /** Default true, as the next two. */
  readonly allowDirectAppCalling?: boolean;
  readonly allowDirectQueueCalling?: boolean;
  readonly allowDirectUserCalling?: boolean;
}

/** @returns the client_sid */
export async function insertClient(database: Mariadb, seed: ClientSeed): Promise<string> {
  const row = clientRow(seed);
  await insert(database, 'clients', row);
  return row.client_sid;
}

/** Inserts many in a few statements. */
export async function insertClients({ pool }: Mariadb, seeds: readonly ClientSeed[]): Promise<void> {
  for (let i = 0; i < seeds.length; i += ROWS_PER_INSERT) {
    const rows = seeds.slice(i, i + ROWS_PER_INSERT).map(clientRow);
    await pool.query('INSERT INTO clients (??) VALUES ?', [Object.keys(rows[0] ?? {}), rows.map(Object.values)]);
  }
}

function clientRow(seed: ClientSeed) {
  return {
    client_sid: crypto.randomUUID(),
    account_sid: seed.accountSid,
    is_active: Number(seed.isActive ?? true),
    username: seed.username,
    password: encrypt(
      secret(`the password of ${seed.username}`, seed.password),
      secret('ENCRYPTION_SECRET', seed.secret),
      seed.legacy ?? false,
    ),
    allow_direct_app_calling: Number(seed.allowDirectAppCalling ?? true),
    allow_direct_queue_calling: Number(seed.allowDirectQueueCalling ?? true),
    allow_direct_user_calling: Number(seed.allowDirectUserCalling ?? true),
  };
}

export interface SubscriptionSeed {
  readonly accountSid: string;
  readonly voiceCallSessions: number;
  /** Devices in addition to those that come with the calls. */
  readonly devices?: number;
  readonly pending?: boolean;
  readonly endDate?: Date;
}

/** @returns the account_subscription_sid */
export async function insertSubscription(database: Mariadb, seed: SubscriptionSeed): Promise<string> {
  const subscriptionSid = crypto.randomUUID();
  await insert(database, 'account_subscriptions', {
    account_subscription_sid: subscriptionSid,
    account_sid: seed.accountSid,
    pending: Number(seed.pending ?? false),
  });
  if (seed.endDate) {
    // By the server's clock, whose time zone may differ.
    const seconds = Math.round((seed.endDate.getTime() - Date.now()) / 1000);
    await database.pool.query(
      `UPDATE account_subscriptions SET effective_end_date = DATE_ADD(NOW(), INTERVAL ? SECOND)
       WHERE account_subscription_sid = ?`,
      [seconds, subscriptionSid],
    );
  }
  await insertProduct(database, subscriptionSid, 'voice_call_session', seed.voiceCallSessions);
  if (seed.devices !== undefined) await insertProduct(database, subscriptionSid, 'device', seed.devices);
  return subscriptionSid;
}

async function insertProduct(
  database: Mariadb,
  subscriptionSid: string,
  category: string,
  quantity: number,
): Promise<void> {
  const [found] = await database.pool.query<RowDataPacket[]>('SELECT product_sid FROM products WHERE category = ?', [
    category,
  ]);
  const productSid: string = found[0]?.product_sid ?? crypto.randomUUID();
  if (found.length === 0) await insert(database, 'products', { product_sid: productSid, name: category, category });
  await insert(database, 'account_products', {
    account_product_sid: crypto.randomUUID(),
    account_subscription_sid: subscriptionSid,
    product_sid: productSid,
    quantity,
  });
}

async function insert({ pool }: Mariadb, table: string, row: Record<string, string | number | null>): Promise<void> {
  await pool.query('INSERT INTO ?? SET ?', [table, row]);
}

/** Not shared with the sidecar's code, so that a test fails when that changes. */
function encrypt(password: string, secret: string, legacy: boolean): string {
  const key = Buffer.from(createHash('sha256').update(secret).digest('base64').substring(0, 32), 'ascii');
  const iv = randomBytes(16);
  const cipher = createCipheriv(legacy ? 'aes-256-ctr' : 'aes-256-cbc', key, iv);
  const content = cipher.update(password, 'utf8', 'hex') + cipher.final('hex');
  return JSON.stringify({ iv: iv.toString('hex'), content });
}
