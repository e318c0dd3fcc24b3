import { expect, test } from 'bun:test';
import { openMysql } from '../../src/adapters/sql/mysql.ts';
import { readConfig } from '../../src/config/index.ts';
import { disposedAfterEach } from '../support/after-each.ts';
import { openDatabase } from '../support/mariadb.ts';

const mariadb = await openDatabase();
const opened = disposedAfterEach();

type Settings = Readonly<Record<string, string>>;

/** A pool as the sidecar opens it. */
function open(settings: Settings) {
  const { mysql } = readConfig({
    SIDECAR_EMBEDDED: '1',
    ENCRYPTION_SECRET: 'secret',
    JAMBONES_MYSQL_HOST: mariadb.host,
    JAMBONES_MYSQL_PORT: String(mariadb.port),
    JAMBONES_MYSQL_USER: mariadb.user,
    JAMBONES_MYSQL_PASSWORD: mariadb.password,
    JAMBONES_MYSQL_DATABASE: mariadb.database,
    ...settings,
  });
  return opened.adopt(openMysql(mysql, mysql.reader).pool.promise(), (each) => each.end());
}

test('queries share as many connections as are configured, and those beyond 1000 waiting are refused', async () => {
  const pool = open({ JAMBONES_MYSQL_CONNECTION_LIMIT: '2' });
  const queries = Array.from({ length: 1003 }, () => pool.query('SELECT CONNECTION_ID() AS id'));
  const outcomes = await Promise.allSettled(queries);
  const ids = outcomes.flatMap((each) =>
    each.status === 'fulfilled' ? (each.value[0] as { id: number }[]).map(({ id }) => id) : [],
  );
  expect([new Set(ids).size, ids.length]).toEqual([2, 1002]);
});
