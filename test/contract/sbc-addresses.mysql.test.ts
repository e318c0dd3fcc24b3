import { afterAll, expect, test } from 'bun:test';
import { sql } from 'kysely';
import { MysqlSbcAddresses } from '../../src/adapters/sql/sbc-addresses.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import { openDatabase } from '../support/mariadb.ts';
import { openMysqlOf } from '../support/mysql.ts';
import { newIp } from './ephemeral-gateways.ts';
import { sbcAddressesContract } from './sbc-addresses.ts';

const mariadb = await openDatabase();
const { db } = openMysqlOf(mariadb);
afterAll(() => db.destroy());

sbcAddressesContract(
  'MySQL',
  () => new MysqlSbcAddresses(db),
  db,
  (ip, seconds) =>
    db
      .updateTable('sbc_addresses')
      .set({ last_updated: sql`DATE_SUB(NOW(), INTERVAL ${seconds} SECOND)` })
      .where('ipv4', '=', ip)
      .execute(),
);

test('times are those of the MySQL server, in its own time zone', async () => {
  const { pool, db: inKarachi } = openMysqlOf(mariadb);
  pool.on('connection', (connection) => connection.query("SET time_zone = '+05:00'"));
  const ip = newIp();
  await new MysqlSbcAddresses(inKarachi).announce([{ ip, port: 5060 }], 3600);
  const row = await inKarachi
    .selectFrom('sbc_addresses')
    .select(sql<number>`ABS(TIMESTAMPDIFF(SECOND, last_updated, NOW()))`.as('age'))
    .where('ipv4', '=', ip)
    .executeTakeFirstOrThrow();
  await inKarachi.destroy();
  // Time zones differ by half an hour at least.
  expect(Number(row.age)).toBeLessThan(1800);
});

test('concurrent announcements make one row on a server whose default isolation is weaker', async () => {
  const { pool, db: committed } = openMysqlOf(mariadb);
  pool.on('connection', (connection) => connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED'));
  const ips = Array.from({ length: 10 }, newIp);
  for (const ip of ips) {
    const announce = () => new MysqlSbcAddresses(committed).announce([{ ip, port: 5060 }], 3600);
    await Promise.all(Array.from({ length: 4 }, announce));
  }
  const rows = await committed.selectFrom('sbc_addresses').select('ipv4').where('ipv4', 'in', ips).execute();
  await committed.destroy();
  expect(rows.map(({ ipv4 }) => ipv4).sort()).toEqual(ips.sort());
});

test('is Unavailable without MySQL', async () => {
  const { db: closed, pool } = openMysqlOf(mariadb);
  await pool.promise().end();
  await expect(new MysqlSbcAddresses(closed).announce([], 3600)).rejects.toThrow(Unavailable);
});
