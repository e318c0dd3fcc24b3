import { openMysql } from '../../src/adapters/sql/mysql.ts';
import { readConfig } from '../../src/config/index.ts';
import type { Mariadb } from './mariadb.ts';

/** Opens a database as the sidecar does. Destroy `db` at the end. */
export function openMysqlOf(server: Mariadb) {
  const { mysql } = readConfig({
    SIDECAR_EMBEDDED: '1',
    ENCRYPTION_SECRET: 'secret',
    JAMBONES_MYSQL_HOST: server.host,
    JAMBONES_MYSQL_PORT: String(server.port),
    JAMBONES_MYSQL_USER: server.user,
    JAMBONES_MYSQL_PASSWORD: server.password,
    JAMBONES_MYSQL_DATABASE: server.database,
  });
  return openMysql(mysql, mysql.reader);
}
