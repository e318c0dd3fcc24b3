import { readFileSync } from 'node:fs';
import { Kysely, MysqlDialect } from 'kysely';
import { createPool, type Pool } from 'mysql2';
import type { Config } from '../../config/index.ts';
import type { Tables } from './tables.ts';

const CONNECT_TIMEOUT_MS = 5000;
/** Queries that wait for a connection; lookups of one name share one query, so more means MySQL hangs. */
const MAX_WAITING = 1000;

/** Opens a pool of connections to one MySQL server; nothing connects before the first query. */
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
    queueLimit: MAX_WAITING,
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

/** Opens the pool that writes go to; undefined when that is the reader's server. */
export function openMysqlWriter(config: Config['mysql']): { pool: Pool; db: Kysely<Tables> } | undefined {
  const { host, user, password, database } = config.writer;
  return host && user && password && database ? openMysql(config, config.writer) : undefined;
}

function usesTls(config: Config['mysql']): boolean {
  return !config.rejectUnauthorized || Boolean(config.sslCaFile || config.sslCertFile || config.sslKeyFile);
}
