import type { Kysely } from 'kysely';
import type { Logger } from '../../lib/logger.ts';
import type { Clock } from '../../lib/timers.ts';
import type { Account, Client, Directory } from '../../ports/directory.ts';
import { QueryFault } from '../../ports/errors.ts';
import type { ClientPasswordCipher } from './client-password.ts';
import { runQuery, type SqlServer } from './run-query.ts';
import type { Tables } from './tables.ts';

/** A text cannot be converted to the charset of the column that it is compared with: MariaDB, MySQL 8. */
const INCOMPARABLE = new Set(['ER_CANT_AGGREGATE_2COLLATIONS', 'ER_CANNOT_CONVERT_STRING']);

type Query<T> = (db: Kysely<Tables>) => Promise<T>;

export class SqlDirectory implements Directory {
  constructor(
    private readonly server: SqlServer,
    /** For each query. */
    private readonly timeoutMs: number,
    private readonly cipher: ClientPasswordCipher,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async accountByRealm(realm: string): Promise<Account | undefined> {
    const labels = realm.split('.');
    return (await this.#account(realm)) ?? (labels.length > 2 ? this.#account(labels.slice(1).join('.')) : undefined);
  }

  async client(accountSid: string, username: string): Promise<Client | undefined> {
    const rows = await this.#named((db) =>
      db
        .selectFrom('clients')
        .select([
          'username',
          'password',
          'is_active',
          'allow_direct_app_calling',
          'allow_direct_queue_calling',
          'allow_direct_user_calling',
        ])
        .where('account_sid', '=', accountSid)
        .where('username', '=', username)
        .execute(),
    );
    // The database may compare without case and accents, so that several rows match.
    const row = rows.find((row) => row.username === username) ?? rows[0];
    if (!row) return undefined;
    const password = row.password === null ? undefined : this.cipher.decrypt(row.password);
    if (password === undefined)
      this.logger.error(
        { accountSid, username },
        'client password cannot be decrypted: is ENCRYPTION_SECRET the right one?',
      );
    return {
      username: row.username,
      ...(password !== undefined && { password }),
      isActive: Boolean(row.is_active),
      grant: {
        allowDirectAppCalling: row.allow_direct_app_calling ? 1 : 0,
        allowDirectQueueCalling: row.allow_direct_queue_calling ? 1 : 0,
        allowDirectUserCalling: row.allow_direct_user_calling ? 1 : 0,
      },
    };
  }

  async deviceLimit(account: Account): Promise<number> {
    const rows = await this.#run((db) =>
      db
        .selectFrom('account_subscriptions as s')
        .innerJoin('account_products as ap', 'ap.account_subscription_sid', 's.account_subscription_sid')
        .innerJoin('products as p', 'p.product_sid', 'ap.product_sid')
        .select(['p.category', 'ap.quantity', 's.effective_end_date'])
        .where('s.account_sid', '=', account.sid)
        .where('s.pending', '=', 0)
        .execute(),
    );
    // Compared here, because dates are text in SQLite and Date objects from MySQL.
    const now = this.clock.now();
    let limit = 0;
    for (const { category, quantity, effective_end_date } of rows) {
      if (effective_end_date !== null && timeOf(effective_end_date) <= now) continue;
      if (category === 'voice_call_session') limit += quantity * account.deviceToCallRatio;
      if (category === 'device') limit += quantity;
    }
    return limit;
  }

  async #account(realm: string): Promise<Account | undefined> {
    const [row] = await this.#named((db) =>
      db
        .selectFrom('accounts as a')
        .leftJoin('webhooks as w', 'w.webhook_sid', 'a.registration_hook_sid')
        .select([
          'a.account_sid',
          'a.service_provider_sid',
          'a.is_active',
          'a.webhook_secret',
          'a.device_to_call_ratio',
          'w.url',
          'w.method',
          'w.username',
          'w.password',
        ])
        .where('a.sip_realm', '=', realm)
        .limit(1)
        .execute(),
    );
    if (!row) return undefined;
    return {
      sid: row.account_sid,
      realm: realm.toLowerCase(),
      ...(row.service_provider_sid && { serviceProviderSid: row.service_provider_sid }),
      isActive: Boolean(row.is_active),
      deviceToCallRatio: row.device_to_call_ratio,
      ...(row.url && {
        webhook: {
          url: row.url,
          method: row.method?.toUpperCase() === 'GET' ? 'GET' : 'POST',
          ...(row.username && { username: row.username }),
          ...(row.password && { password: row.password }),
          ...(row.webhook_secret && { secret: row.webhook_secret }),
        },
      }),
    };
  }

  /** Runs a look-up by name. A name with characters that the column's charset lacks matches no row. */
  async #named<T>(query: Query<T[]>): Promise<T[]> {
    try {
      return await this.#run(query);
    } catch (error) {
      if (error instanceof QueryFault && INCOMPARABLE.has(error.code)) return [];
      throw error;
    }
  }

  #run<T>(query: Query<T>): Promise<T> {
    return runQuery(this.server, query, this.timeoutMs);
  }
}

/** Milliseconds since the epoch. SQLite's "date time" is in UTC, but JavaScript would read it as local time. */
function timeOf(date: string | Date): number {
  return new Date(typeof date === 'string' ? date.replace(/^(\S+) (\S+)$/, '$1T$2Z') : date).getTime();
}
