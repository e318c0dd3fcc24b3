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

test('times are those of the MySQL server, whatever its time zone', async () => {
  const ip = newIp();
  await new MysqlSbcAddresses(db).announce([{ ip, port: 5060 }], 3600);
  const row = await db
    .selectFrom('sbc_addresses')
    .select(sql<number>`ABS(TIMESTAMPDIFF(SECOND, last_updated, NOW()))`.as('age'))
    .where('ipv4', '=', ip)
    .executeTakeFirstOrThrow();
  // Time zones differ by half an hour at least.
  expect(Number(row.age)).toBeLessThan(1800);
});

test('is Unavailable without MySQL', async () => {
  const { db: closed, pool } = openMysqlOf(mariadb);
  await pool.promise().end();
  await expect(new MysqlSbcAddresses(closed).announce([], 3600)).rejects.toThrow(Unavailable);
});
