import { afterAll, expect, test } from 'bun:test';
import { SqlCarriers } from '../../src/adapters/sql/carriers.ts';
import { openMysqlServers } from '../../src/adapters/sql/mysql.ts';
import { type Config, readConfig } from '../../src/config/index.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import { RecordingLogger } from '../support/logger.ts';
import { openDatabase } from '../support/mariadb.ts';
import { openMysqlOf } from '../support/mysql.ts';
import { freePort } from '../support/net.ts';
import { sqlServer } from '../support/sql-server.ts';
import { carriersContract } from './carriers.ts';

const mariadb = await openDatabase();
const { db } = openMysqlOf(mariadb);
afterAll(() => db.destroy());

carriersContract('MySQL', db);

test('writes use the writer connection if one is configured completely', async () => {
  const reader = {
    SIDECAR_EMBEDDED: '1',
    ENCRYPTION_SECRET: 'secret',
    JAMBONES_MYSQL_HOST: mariadb.host,
    JAMBONES_MYSQL_USER: mariadb.user,
    JAMBONES_MYSQL_PASSWORD: mariadb.password,
    JAMBONES_MYSQL_DATABASE: mariadb.database,
  };
  const config = (port: number) =>
    readConfig({
      ...reader,
      JAMBONES_MYSQL_WRITE_HOST: mariadb.host,
      JAMBONES_MYSQL_WRITE_PORT: String(port),
      JAMBONES_MYSQL_WRITE_USER: mariadb.user,
      JAMBONES_MYSQL_WRITE_PASSWORD: mariadb.password,
      JAMBONES_MYSQL_WRITE_DATABASE: mariadb.database,
    }).mysql;
  const logger = new RecordingLogger();
  const open = (settings: Config['mysql']) => openMysqlServers(settings, logger);
  expect(open(readConfig(reader).mysql).writer).toBeUndefined();
  const complete = config(mariadb.port);
  for (const missing of ['host', 'user', 'password', 'database'] as const)
    expect(open({ ...complete, writer: { ...complete.writer, [missing]: '' } }).writer).toBeUndefined();
  const { writer: unreachable } = open(config(await freePort()));
  const { writer } = open(complete);
  if (!writer || !unreachable) throw new Error('no writer');
  const reads = sqlServer(db, 'MySQL');
  const carriers = new SqlCarriers(reads, unreachable, logger);
  await expect(carriers.disablePing('some')).rejects.toThrow(Unavailable);
  await new SqlCarriers(unreachable, writer, logger).disablePing('some');
  await carriers.read();
  for (const { pool } of [writer, unreachable]) await pool.promise().end();
});
