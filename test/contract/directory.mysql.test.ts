import { afterAll, describe, expect, test } from 'bun:test';
import { createConnection, type Pool, type RowDataPacket } from 'mysql2/promise';
import { CachedDirectory } from '../../src/adapters/cached/directory.ts';
import { ClientPasswordCipher } from '../../src/adapters/sql/client-password.ts';
import { SqlDirectory } from '../../src/adapters/sql/directory.ts';
import { runQuery } from '../../src/adapters/sql/run-query.ts';
import { systemClock } from '../../src/lib/timers.ts';
import { QueryFault, Unavailable } from '../../src/ports/errors.ts';
import { openCore } from '../support/core.ts';
import { RecordingLogger } from '../support/logger.ts';
import { openDatabase } from '../support/mariadb.ts';
import { openMysqlOf } from '../support/mysql.ts';
import { Phone, pipeline } from '../support/phone.ts';
import { sqlServer } from '../support/sql-server.ts';
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
    new SqlDirectory(sqlServer(counted, 'MySQL'), 10_000, cipher, systemClock, logger),
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
        new SqlDirectory(sqlServer(db.withSchema(schema), 'MySQL'), 10_000, cipher, systemClock, logger),
        { refreshMs: 30_000, staleMs: 60_000 },
        systemClock,
        logger,
      );
      return { rules: openCore({ directory }).rules, directory, logger };
    }

    /** The status of a REGISTER, one that is always authenticated, of the AOR whose user, and digest user name, is this. */
    async function register({ rules }: Awaited<ReturnType<typeof start>>, user: string, password: string) {
      const phone = new Phone(pipeline(rules), 'x', password, realm);
      const to = `<sip:${encodeURIComponent(user)}@${realm}>`;
      const challenged = await phone.send({ to, expires: '0' });
      return (await phone.send({ to, expires: '0', authorization: phone.answer(challenged, { username: user }) }))
        .status;
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

    test('of one client are refused in the AOR of another that differs only in case', async () => {
      const { rules } = await start('alice', 'ALICE');
      const phone = new Phone(pipeline(rules), 'alice', 'of ALICE', realm);
      const challenged = await phone.send();
      expect((await phone.send({ authorization: phone.answer(challenged, { username: 'ALICE' }) })).status).toBe(403);
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

describe('an error of MySQL', () => {
  /** The code of a fault, or the name of the error. */
  async function errorOf(query: Promise<unknown>) {
    try {
      await runQuery(sqlServer(db, 'MySQL'), () => query, 10_000);
    } catch (error) {
      return error instanceof QueryFault ? error.code : error instanceof Unavailable && error.name;
    }
  }

  /** A query without an end, which the server ends after 10 ms. */
  async function endlessQuery(pool: Pool): Promise<string> {
    const [[row]] = await pool.query<RowDataPacket[]>('SELECT VERSION() AS version');
    const columns = 'information_schema.columns';
    const query = `COUNT(*) FROM ${columns} a, ${columns} b, ${columns} c`;
    return String(row?.version).includes('MariaDB')
      ? `SET STATEMENT max_statement_time=0.01 FOR SELECT ${query}`
      : `SELECT /*+ MAX_EXECUTION_TIME(10) */ ${query}`;
  }

  test('about one query is a fault of that query', async () => {
    const { pool } = mariadb;
    for (const [query, code] of [
      ['SELECT nothing FROM clients', 'ER_BAD_FIELD_ERROR'],
      ['SELECT * FROM nothing', 'ER_NO_SUCH_TABLE'],
      ['SELECT', 'ER_PARSE_ERROR'],
    ] as const)
      expect(await errorOf(pool.query(query))).toBe(code);
  });

  test('about the connection, or from a server that ends a query, is an outage', async () => {
    const { pool, host, port, user, database } = mariadb;
    const strangers = [
      { user, password: 'wrong' },
      { user: 'nobody', password: 'x' },
    ];
    for (const stranger of strangers)
      expect(await errorOf(createConnection({ host, port, database, ...stranger }))).toBe('Unavailable');
    expect(await errorOf(pool.query(await endlessQuery(pool)))).toBe('Unavailable');
    const victim = await pool.getConnection();
    expect(await errorOf(victim.query('KILL CONNECTION_ID()'))).toBe('Unavailable');
    victim.destroy();
  });
});
