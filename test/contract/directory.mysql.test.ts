import { afterAll, describe, expect, test } from 'bun:test';
import { CachedDirectory } from '../../src/adapters/cached/directory.ts';
import { ClientPasswordCipher } from '../../src/adapters/sql/client-password.ts';
import { SqlDirectory } from '../../src/adapters/sql/directory.ts';
import { systemClock } from '../../src/lib/timers.ts';
import { openCore } from '../support/core.ts';
import { RecordingLogger } from '../support/logger.ts';
import { openDatabase } from '../support/mariadb.ts';
import { openMysqlOf } from '../support/mysql.ts';
import { Phone, pipeline } from '../support/phone.ts';
import { directoryContract } from './directory.ts';

const mariadb = await openDatabase();
const { db } = openMysqlOf(mariadb);
afterAll(() => db.destroy());

directoryContract('MySQL', async () => db);

test('concurrent lookups of one client share one query', async () => {
  const logger = new RecordingLogger();
  const cipher = new ClientPasswordCipher('secret', false);
  let queries = 0;
  const counted = db.withPlugin({
    transformQuery: ({ node }) => {
      queries++;
      return node;
    },
    transformResult: async ({ result }) => result,
  });
  const directory = new CachedDirectory(
    new SqlDirectory(counted, 'MySQL', cipher, systemClock, logger),
    { refreshMs: 30_000, staleMs: 60_000 },
    systemClock,
    logger,
  );
  const answers = await Promise.all(Array.from({ length: 50 }, () => directory.client('no-account', 'nobody')));
  expect(answers.every((answer) => answer === undefined)).toBe(true);
  expect(queries).toBe(1);
});

describe.each(['latin1_swedish_ci', 'latin1_german1_ci', 'utf8mb4_unicode_ci', 'utf8mb4_bin'])(
  'names in %s',
  (collation) => {
    const cipher = new ClientPasswordCipher('secret', false);
    const realm = `${crypto.randomUUID()}.example.com`;

    /** The rules on tables of this collation, in a database of their own, with clients of one password. */
    async function start(...usernames: string[]) {
      const { pool, database } = mariadb;
      const schema = `${database}_${collation}`;
      await pool.query('DROP DATABASE IF EXISTS ??', [schema]);
      await pool.query(`CREATE DATABASE ?? COLLATE ${collation}`, [schema]);
      for (const table of ['accounts', 'webhooks', 'clients']) {
        await pool.query('CREATE TABLE ?? LIKE ??', [`${schema}.${table}`, `${database}.${table}`]);
        await pool.query(`ALTER TABLE ?? CONVERT TO CHARACTER SET ${collation.split('_')[0]} COLLATE ${collation}`, [
          `${schema}.${table}`,
        ]);
      }
      await pool.query('INSERT INTO ?? SET ?', [
        `${schema}.accounts`,
        { account_sid: 'sid', name: 'a', sip_realm: realm },
      ]);
      for (const username of usernames)
        await pool.query('INSERT INTO ?? SET ?', [
          `${schema}.clients`,
          { client_sid: crypto.randomUUID(), account_sid: 'sid', username, password: cipher.encrypt(`of ${username}`) },
        ]);
      const logger = new RecordingLogger();
      const directory = new CachedDirectory(
        new SqlDirectory(db.withSchema(schema), 'MySQL', cipher, systemClock, logger),
        { refreshMs: 30_000, staleMs: 60_000 },
        systemClock,
        logger,
      );
      return { rules: openCore({ directory }).rules, directory, logger };
    }

    /** The status of a REGISTER of the AOR whose user, and digest user name, is this. */
    async function register({ rules }: Awaited<ReturnType<typeof start>>, user: string, password: string) {
      const phone = new Phone(pipeline(rules), 'x', password, realm);
      const to = `<sip:${encodeURIComponent(user)}@${realm}>`;
      // Of its own, so that the next one is no refresh.
      const contact = `<sip:${crypto.randomUUID()}@192.0.2.7>`;
      const challenged = await phone.send({ to, contact });
      return (await phone.send({ to, contact, authorization: phone.answer(challenged, { username: user }) })).status;
    }

    test('are the same byte for byte', async () => {
      const started = await start('alice');
      for (const user of ['ALICE', 'Alice', 'alicé', 'alicE', 'álice'])
        expect([user, await register(started, user, 'of alice')]).toEqual([user, 403]);
      expect(await register(started, 'alice', 'of alice')).toBe(200);
    });

    test('may differ only in case and accents, each with its own password', async () => {
      const users = ['alicé', 'ALICE', 'alice'];
      const started = await start(...users);
      for (const user of users)
        for (const password of users)
          expect([user, password, await register(started, user, `of ${password}`)]).toEqual([
            user,
            password,
            user === password ? 200 : 403,
          ]);
    });

    test('with characters that the charset lacks are unknown, and no outage for others', async () => {
      const started = await start('alice');
      for (const user of ['用户', 'alice😀', 'Ω']) {
        expect([user, await register(started, user, 'x')]).toEqual([user, 403]);
        expect(await started.directory.accountByRealm(`${user}.${user}`)).toBeUndefined();
        // Not cached.
        started.directory.clear();
        expect(await register(started, 'alice', 'of alice')).toBe(200);
      }
      expect(started.logger.lines).toEqual([]);
    });
  },
);
