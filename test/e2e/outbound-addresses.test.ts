import { afterEach, expect, test } from 'bun:test';
import type { RowDataPacket } from 'mysql2/promise';
import { eventually } from '../support/eventually.ts';
import { openDatabase } from '../support/mariadb.ts';
import { startRedis } from '../support/redis.ts';
import { outsideStores, startEmbedded } from './sidecar.ts';

const mariadb = await openDatabase();
const { pool } = mariadb;
const stores = outsideStores(await startRedis(), mariadb);
afterEach(() => pool.query('DELETE FROM sbc_addresses'));

async function insertRow(ipv4: string, ageSeconds: number) {
  await pool.query(
    `INSERT INTO sbc_addresses (sbc_address_sid, ipv4, port, last_updated)
     VALUES (?, ?, 5060, DATE_SUB(NOW(), INTERVAL ? SECOND))`,
    [crypto.randomUUID(), ipv4, ageSeconds],
  );
}

async function rows() {
  const [found] = await pool.query<RowDataPacket[]>(
    `SELECT ipv4, port, tls_port, wss_port, UNIX_TIMESTAMP(last_updated) AS updated
     FROM sbc_addresses ORDER BY ipv4`,
  );
  return found;
}

/** The rows once the row of this dead SBC is removed, which happens when ours are written. */
const rowsWithout = (ipv4: string) =>
  eventually('the end of the old row', async () => {
    const found = await rows();
    return found.some((row) => row.ipv4 === ipv4) ? undefined : found;
  });

test('without a public address there is no row; rows of dead SBCs are removed, others stay', async () => {
  await insertRow('192.0.2.1', 3700);
  await insertRow('192.0.2.2', 3500);
  const sidecar = await startEmbedded({ env: stores });
  expect(await rowsWithout('192.0.2.1')).toMatchObject([{ ipv4: '192.0.2.2' }]);
  expect(await sidecar.stop()).toBe(0);
  expect(await rows()).toHaveLength(1);
});

test('the external address has a row with its ports, which is renewed and survives a clean stop', async () => {
  const [[now]] = await pool.query<RowDataPacket[]>('SELECT UNIX_TIMESTAMP() AS seconds');
  await insertRow('192.0.2.1', 11);
  const sidecar = await startEmbedded({
    args: ['--external-ip', '203.0.113.7'],
    env: { ...stores, SBC_PUBLIC_ADDRESS_KEEP_ALIVE_IN_MILISECOND: '300', DEAD_SBC_IN_SECOND: '10' },
  });
  const { port } = sidecar.sip;
  const ours = { ipv4: '203.0.113.7', port, tls_port: null, wss_port: null };
  const [row, ...others] = await rowsWithout('192.0.2.1');
  expect(row).toMatchObject(ours);
  expect(row?.updated).toBeGreaterThanOrEqual(now?.seconds);
  expect(others).toEqual([]);

  await insertRow('192.0.2.3', 100);
  expect(await rowsWithout('192.0.2.3')).toMatchObject([ours]);
  expect(await sidecar.stop()).toBe(0);
  expect(await rows()).toMatchObject([ours]);
});
