import { readFileSync } from 'node:fs';
import { Kysely, MysqlDialect } from 'kysely';
import { createPool, type Pool } from 'mysql2';
import type { Config } from '../../config/index.ts';
import type { Tables } from './tables.ts';

const CONNECT_TIMEOUT_MS = 5000;
const MAX_WAITING_QUERIES = 1000;

/** Creates a connection pool for one MySQL server. The first query connects. */
export function openMysql(
  config: Config['mysql'],
  server: Config['mysql']['reader'],
): { pool: Pool; db: Kysely<Tables> } {
  const pool = createPool({
    host: server.host,
    port: server.port,
    user: server.user,
    password: server.password,
    database: server.database,
    connectionLimit: server.connectionLimit,
    connectTimeout: CONNECT_TIMEOUT_MS,
    queueLimit: MAX_WAITING_QUERIES,
    enableKeepAlive: true,
    timezone: 'Z',
    ...(usesTls(config) && {
      ssl: {
        rejectUnauthorized: config.rejectUnauthorized,
        ...(config.sslCaFile && { ca: readFileSync(config.sslCaFile) }),
        ...(config.sslCertFile && { cert: readFileSync(config.sslCertFile) }),
        ...(config.sslKeyFile && { key: readFileSync(config.sslKeyFile) }),
      },
    }),
  });
  return { pool, db: new Kysely<Tables>({ dialect: new MysqlDialect({ pool }) }) };
}

/** Creates the pool for writes; undefined when writes go to the reader's server. */
export function openMysqlWriter(config: Config['mysql']): { pool: Pool; db: Kysely<Tables> } | undefined {
  const { host, user, password, database } = config.writer;
  return host && user && password && database ? openMysql(config, config.writer) : undefined;
}

function usesTls(config: Config['mysql']): boolean {
  return !config.rejectUnauthorized || Boolean(config.sslCaFile || config.sslCertFile || config.sslKeyFile);
}
