import { readFile } from 'node:fs/promises';
import type { RowDataPacket } from 'mysql2/promise';
import type { Mariadb } from '../../test/support/mariadb.ts';
import type { Watched } from './proc.ts';

export async function mariadbProcess({ pool }: Mariadb): Promise<Watched> {
  const [rows] = await pool.query<RowDataPacket[]>('SELECT @@pid_file AS file');
  return { name: 'MariaDB', pid: Number(await readFile(String(rows[0]?.file), 'utf8')) };
}
