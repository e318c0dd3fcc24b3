import { readFile } from 'node:fs/promises';
import type { RowDataPacket } from 'mysql2/promise';
import type { Mariadb } from '../../test/support/mariadb.ts';
import type { Watched } from './proc.ts';

/** As `serve --check` advises. */
export async function addClientIndex({ pool }: Mariadb): Promise<void> {
  await pool.query('CREATE INDEX clients_account_sid_username ON clients (account_sid, username)');
}

export async function mariadbProcess({ pool }: Mariadb): Promise<Watched> {
  const [rows] = await pool.query<RowDataPacket[]>('SELECT @@pid_file AS file');
  return { name: 'MariaDB', pid: Number(await readFile(String(rows[0]?.file), 'utf8')) };
}
