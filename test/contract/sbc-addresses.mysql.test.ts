import { afterAll, describe, expect, test } from 'bun:test';
import { type Kysely, type KyselyPlugin, sql } from 'kysely';
import { MysqlSbcAddresses } from '../../src/adapters/sql/sbc-addresses.ts';
import type { Tables } from '../../src/adapters/sql/tables.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import { openDatabase } from '../support/mariadb.ts';
import { openMysqlOf } from '../support/mysql.ts';
import { sqlServer } from '../support/sql-server.ts';
import { newIp } from './ephemeral-gateways.ts';
import { row, sbcAddressesContract } from './sbc-addresses.ts';

const HOUR = 3600;

const older = await openDatabase();
const newer = await openDatabase();
await newer.pool.query(
  `ALTER TABLE sbc_addresses DROP INDEX sbc_addresses_ipv4_port, ADD UNIQUE INDEX sbc_addresses_ipv4_port (ipv4, port)`,
);
const schemas = [
  { name: 'a plain index', mariadb: older, db: openMysqlOf(older).db, unique: false },
  { name: 'a unique index', mariadb: newer, db: openMysqlOf(newer).db, unique: true },
];
afterAll(async () => {
  for (const { db } of schemas) await db.destroy();
});

for (const { name, db, unique } of schemas)
  sbcAddressesContract(`MySQL with ${name}`, {
    open: () => new MysqlSbcAddresses(sqlServer(db, 'MySQL')),
    db,
    age: (ip, seconds, port) =>
      db
        .updateTable('sbc_addresses')
        .set({ last_updated: sql`DATE_SUB(NOW(), INTERVAL ${seconds} SECOND)` })
        .where('ipv4', '=', ip)
        .$if(port !== undefined, (query) => query.where('port', '=', port ?? 0))
        .execute(),
    unique,
  });

const count = async (db: Kysely<Tables>, ip: string) =>
  (await db.selectFrom('sbc_addresses').select('ipv4').where('ipv4', '=', ip).execute()).length;

describe.each(schemas)('SBC addresses on MySQL with $name', ({ mariadb, db, unique }) => {
  test.each(['+05:00', '-05:00'])('times are those of the MySQL server, in its own time zone: %s', async (zone) => {
    const { pool, db: elsewhere } = openMysqlOf(mariadb);
    pool.on('connection', (connection) => connection.query('SET time_zone = ?', [zone]));
    const [ip, dead] = [newIp(), newIp()];
    const ago = sql<string>`DATE_SUB(NOW(), INTERVAL 2 HOUR)`;
    await elsewhere
      .insertInto('sbc_addresses')
      .values({ ...row(dead, 5060), last_updated: ago })
      .execute();
    await new MysqlSbcAddresses(sqlServer(elsewhere, 'MySQL')).announce([{ ip, port: 5060 }], HOUR);
    const { age } = await elsewhere
      .selectFrom('sbc_addresses')
      .select(sql<number>`ABS(TIMESTAMPDIFF(SECOND, last_updated, NOW()))`.as('age'))
      .where('ipv4', '=', ip)
      .executeTakeFirstOrThrow();
    await elsewhere.destroy();
    // Time zones differ by half an hour at least.
    expect(Number(age)).toBeLessThan(1800);
    expect(await count(db, dead)).toBe(0);
  });

  test('concurrent announcements make one row on a server whose default isolation is weaker', async () => {
    const { pool, db: committed } = openMysqlOf(mariadb);
    pool.on('connection', (connection) => connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED'));
    const ips = Array.from({ length: 10 }, newIp);
    for (const ip of ips) {
      const announce = () => new MysqlSbcAddresses(sqlServer(committed, 'MySQL')).announce([{ ip, port: 5060 }], HOUR);
      await Promise.all(Array.from({ length: 4 }, announce));
    }
    await committed.destroy();
    for (const ip of ips) expect(await count(db, ip)).toBe(1);
  });

  test('a row of another transaction is awaited and renewed', async () => {
    const ip = newIp();
    const connection = await mariadb.pool.getConnection();
    await connection.beginTransaction();
    const { last_updated: _, ...theirs } = row(ip, 5060);
    await connection.query('INSERT INTO sbc_addresses SET ?', [theirs]);
    const announced = new MysqlSbcAddresses(sqlServer(db, 'MySQL')).announce([{ ip, port: 5060, tlsPort: 5061 }], HOUR);
    try {
      await lockWait(mariadb);
      await connection.commit();
    } finally {
      connection.destroy();
    }
    await announced;
    const { sbc_address_sid } = theirs;
    expect(await db.selectFrom('sbc_addresses').selectAll().where('ipv4', '=', ip).execute()).toMatchObject([
      { sbc_address_sid, tls_port: 5061, last_updated: expect.anything() },
    ]);
  });

  if (unique)
    test('a row that appears between the look and the insertion is renewed, on a server that does not lock gaps', async () => {
      const ip = newIp();
      const old = row(ip, 5060);
      await db.insertInto('sbc_addresses').values(old).execute();
      await new MysqlSbcAddresses(sqlServer(db.withPlugin(seesNoRow), 'MySQL')).announce(
        [{ ip, port: 5060, tlsPort: 5061 }],
        HOUR,
      );
      expect(await db.selectFrom('sbc_addresses').selectAll().where('ipv4', '=', ip).execute()).toMatchObject([
        { ...old, tls_port: 5061, wss_port: null, last_updated: expect.anything() },
      ]);
    });

  test.each(['ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT', 'ER_CHECKREAD'])('%s is tried again', async (code) => {
    const ip = newIp();
    const failing = failingOnce(code);
    await new MysqlSbcAddresses(sqlServer(db.withPlugin(failing), 'MySQL')).announce([{ ip, port: 5060 }], HOUR);
    expect(failing.failed).toBe(true);
    expect(await count(db, ip)).toBe(1);
  });
});

test('is Unavailable without MySQL', async () => {
  const { db: closed, pool } = openMysqlOf(older);
  await pool.promise().end();
  await expect(new MysqlSbcAddresses(sqlServer(closed, 'MySQL')).announce([], HOUR)).rejects.toThrow(Unavailable);
});

/** Resolves once a row is looked for that another transaction has locked. */
async function lockWait({ pool, database }: typeof older): Promise<void> {
  for (;;) {
    const [waits] = await pool.query(
      "SELECT id FROM information_schema.processlist WHERE db = ? AND info LIKE '%`sbc_addresses`%for update'",
      [database],
    );
    if (Array.isArray(waits) && waits.length > 0) return;
  }
}

const seesNoRow: KyselyPlugin = {
  transformQuery: ({ node }) => node,
  // Only a query has rows.
  transformResult: async ({ result }) => ({ ...result, rows: [] }),
};

/** Fails the first query with an error code of MySQL. */
function failingOnce(code: string): KyselyPlugin & { failed: boolean } {
  return {
    failed: false,
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      if (this.failed) return result;
      this.failed = true;
      throw Object.assign(new Error(code), { code });
    },
  };
}
