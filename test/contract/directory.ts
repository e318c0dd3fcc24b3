import { describe, expect, test } from 'bun:test';
import type { Kysely } from 'kysely';
import { ClientPasswordCipher } from '../../src/adapters/sql/client-password.ts';
import { SqlDirectory } from '../../src/adapters/sql/directory.ts';
import type { Tables } from '../../src/adapters/sql/tables.ts';
import { QueryFault } from '../../src/ports/errors.ts';
import { RecordingLogger } from '../support/logger.ts';
import { sqlServer } from '../support/sql-server.ts';
import { ManualTimers } from '../support/timers.ts';

export function directoryContract(service: string, open: () => Promise<Kysely<Tables>>): void {
  describe(`directory on ${service}`, () => {
    const cipher = new ClientPasswordCipher('secret', false);

    async function start() {
      const db = await open();
      const clock = new ManualTimers(Date.UTC(2026, 5, 1));
      const logger = new RecordingLogger();
      const directory = new SqlDirectory(sqlServer(db, service), 10_000, cipher, clock, logger);
      const realm = `${crypto.randomUUID()}.example.com`;
      const sid = crypto.randomUUID();
      await db
        .insertInto('accounts')
        .values({
          account_sid: sid,
          name: realm,
          sip_realm: realm,
          service_provider_sid: null,
          registration_hook_sid: null,
          is_active: 1,
          webhook_secret: 'wh_secret',
          device_to_call_ratio: 3,
        })
        .execute();
      const account = { sid, realm, isActive: true, deviceToCallRatio: 3 };
      return { db, directory, realm, sid, account, logger };
    }

    async function addClient(db: Kysely<Tables>, sid: string, changes: Partial<Tables['clients']> = {}) {
      await db
        .insertInto('clients')
        .values({
          client_sid: crypto.randomUUID(),
          account_sid: sid,
          is_active: 1,
          username: 'john',
          password: cipher.encrypt('pässword'),
          allow_direct_app_calling: 1,
          allow_direct_queue_calling: 0,
          allow_direct_user_calling: 1,
          ...changes,
        })
        .execute();
    }

    test('finds an account by its realm, ignoring case', async () => {
      const { directory, realm, account } = await start();
      expect(await directory.accountByRealm(realm)).toEqual(account);
      expect(await directory.accountByRealm(realm.toUpperCase())).toEqual(account);
    });

    test('finds an account by a subdomain of its realm, one label deep', async () => {
      const { directory, realm, account } = await start();
      expect(await directory.accountByRealm(`sbc.${realm}`)).toEqual(account);
      expect(await directory.accountByRealm(`a.sbc.${realm}`)).toBeUndefined();
      expect(await directory.accountByRealm(`nowhere-${realm}`)).toBeUndefined();
      expect(await directory.accountByRealm('two.labels')).toBeUndefined();
    });

    test('reads whether the account is active', async () => {
      const { db, directory, realm, sid } = await start();
      await db.updateTable('accounts').set({ is_active: 0 }).where('account_sid', '=', sid).execute();
      expect(await directory.accountByRealm(realm)).toMatchObject({ isActive: false });
    });

    test('reads the service provider of an account', async () => {
      const { db, directory, realm, sid } = await start();
      await db.updateTable('accounts').set({ service_provider_sid: 'sp' }).where('account_sid', '=', sid).execute();
      expect(await directory.accountByRealm(realm)).toMatchObject({ serviceProviderSid: 'sp' });
    });

    test('reads the webhook with the account’s secret, and its method in any case', async () => {
      const { db, directory, realm, sid } = await start();
      const hook = { webhook_sid: crypto.randomUUID(), url: 'https://example.com/auth', method: 'get' };
      await db
        .insertInto('webhooks')
        .values({ ...hook, username: 'u', password: 'p' })
        .execute();
      await db
        .updateTable('accounts')
        .set({ registration_hook_sid: hook.webhook_sid })
        .where('account_sid', '=', sid)
        .execute();
      expect(await directory.accountByRealm(realm)).toMatchObject({
        webhook: { url: hook.url, method: 'GET', username: 'u', password: 'p', secret: 'wh_secret' },
      });
    });

    test('decrypts a client’s password and maps its flags', async () => {
      const { db, directory, sid } = await start();
      await addClient(db, sid);
      expect(await directory.client(sid, 'john')).toEqual({
        username: 'john',
        password: 'pässword',
        isActive: true,
        grant: { allowDirectAppCalling: 1, allowDirectQueueCalling: 0, allowDirectUserCalling: 1 },
      });
      expect(await directory.client(sid, 'JOHN')).toMatchObject({ username: 'john' });
      expect(await directory.client(sid, 'jane')).toBeUndefined();
      expect(await directory.client(crypto.randomUUID(), 'john')).toBeUndefined();
    });

    test('finds an account by the last two labels of a realm of three', async () => {
      const { db, directory, sid } = await start();
      const realm = `r${crypto.randomUUID()}.example`;
      await db.updateTable('accounts').set({ sip_realm: realm }).where('account_sid', '=', sid).execute();
      expect(await directory.accountByRealm(`sbc.${realm}`)).toMatchObject({ sid });
      expect(await directory.accountByRealm(`a.sbc.${realm}`)).toBeUndefined();
    });

    test('a query that the database refuses is a fault of that query', async () => {
      const { db, directory, realm, account, logger } = await start();
      const broken = new SqlDirectory(
        sqlServer(db.withSchema('no_such_schema'), service),
        10_000,
        cipher,
        new ManualTimers(),
        logger,
      );
      await expect(broken.accountByRealm(realm)).rejects.toThrow(QueryFault);
      expect(await directory.accountByRealm(realm)).toEqual(account);
    });

    test('leaves out a password that cannot be decrypted and logs it without the value', async () => {
      const { db, directory, sid, logger } = await start();
      await addClient(db, sid, {
        username: 'other',
        password: JSON.stringify({ iv: '0'.repeat(32), content: 'ff'.repeat(31) }),
      });
      await addClient(db, sid, { username: 'plain', password: 'in clear', is_active: 0 });
      expect(await directory.client(sid, 'other')).not.toHaveProperty('password');
      expect(await directory.client(sid, 'plain')).toMatchObject({ isActive: false });
      expect(logger.lines).toHaveLength(2);
      expect(JSON.stringify(logger.lines)).not.toContain('in clear');
    });

    test.each(['UTC', 'America/New_York', 'Asia/Tokyo'])(
      'a subscription ends at its time in UTC, when this process is in %s',
      async (zone) => {
        const { db, directory, sid, account } = await start();
        const product = crypto.randomUUID();
        await db.insertInto('products').values({ product_sid: product, name: product, category: 'device' }).execute();
        const ends: [string, number][] = [
          ['2026-05-31 23:59:59', 100],
          ['2026-06-01 00:00:00', 10],
          ['2026-06-01 00:00:01', 1],
        ];
        for (const [effective_end_date, quantity] of ends) {
          const subscription = { account_subscription_sid: crypto.randomUUID() };
          await db
            .insertInto('account_subscriptions')
            .values({ ...subscription, account_sid: sid, pending: 0, effective_end_date })
            .execute();
          await db
            .insertInto('account_products')
            .values({ ...subscription, account_product_sid: crypto.randomUUID(), product_sid: product, quantity })
            .execute();
        }
        using _ = inTimeZone(zone);
        expect(await directory.deviceLimit(account)).toBe(1);
      },
    );

    test('computes the device limit from the current subscriptions', async () => {
      const { db, directory, sid, account } = await start();
      const [calls, devices, api] = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()];
      await db
        .insertInto('products')
        .values([
          { product_sid: calls, name: calls, category: 'voice_call_session' },
          { product_sid: devices, name: devices, category: 'device' },
          { product_sid: api, name: api, category: 'api_rate' },
        ])
        .execute();
      const subscribe = async (pending: number, end: string | null, products: [string, number][]) => {
        const subscription = crypto.randomUUID();
        await db
          .insertInto('account_subscriptions')
          .values({
            account_subscription_sid: subscription,
            account_sid: sid,
            pending,
            effective_end_date: end,
          })
          .execute();
        for (const [product_sid, quantity] of products)
          await db
            .insertInto('account_products')
            .values({
              account_product_sid: crypto.randomUUID(),
              account_subscription_sid: subscription,
              product_sid,
              quantity,
            })
            .execute();
      };
      expect(await directory.deviceLimit(account)).toBe(0);
      await subscribe(0, null, [
        [calls, 10],
        [devices, 5],
        [api, 1000],
      ]);
      await subscribe(1, null, [[calls, 100]]);
      await subscribe(0, '2026-05-31 00:00:00', [[calls, 100]]);
      await subscribe(0, '2026-06-02 00:00:00', [[devices, 2]]);
      expect(await directory.deviceLimit(account)).toBe(10 * 3 + 5 + 2);
    });
  });
}

/** Puts this process into a time zone until disposed of. */
function inTimeZone(zone: string): Disposable {
  const { TZ } = process.env;
  process.env.TZ = zone;
  return {
    [Symbol.dispose]() {
      if (TZ === undefined) delete process.env.TZ;
      else process.env.TZ = TZ;
    },
  };
}
