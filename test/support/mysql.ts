import { openMysql } from '../../src/adapters/sql/mysql.ts';
import { readConfig } from '../../src/config/index.ts';
import { type Mariadb, mysqlVariables } from './mariadb.ts';

/** Opens a database as the sidecar does. Destroy `db` at the end. */
export function openMysqlOf(server: Mariadb) {
  const { mysql } = readConfig({
    SIDECAR_EMBEDDED: '1',
    ENCRYPTION_SECRET: 'secret',
    ...mysqlVariables(server),
  });
  return openMysql(mysql, mysql.reader);
}
