import { readFileSync } from 'node:fs';
import { Kysely, MysqlDialect } from 'kysely';
import { createPool, type Pool, type PoolConnection } from 'mysql2';
import type { Config } from '../../config/index.ts';
import { Dependency } from '../../lib/dependency.ts';
import type { Logger } from '../../lib/logger.ts';
import { systemTimers } from '../../lib/timers.ts';
import { classified, type SqlServer } from './run-query.ts';
import type { Tables } from './tables.ts';

const MAX_WAITING_QUERIES = 1000;

export interface Mysql {
  readonly pool: Pool;
  readonly db: Kysely<Tables>;
  /** Closes every connection: behind a network that drops packets they would hang until TCP gives up. */
  disconnect(): void;
}

/** Creates a connection pool for one MySQL server. The first query connects. */
export function openMysql(config: Config['mysql'], server: Config['mysql']['reader']): Mysql {
  const pool = createPool({
    host: server.host,
    port: server.port,
    user: server.user,
    password: server.password,
    database: server.database,
    connectionLimit: server.connectionLimit,
    connectTimeout: config.timeoutMs,
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
  const connections = new Set<PoolConnection>();
  pool.on('connection', (connection) => {
    connections.add(connection);
    connection.once('end', () => connections.delete(connection));
  });
  return {
    pool,
    db: new Kysely<Tables>({ dialect: new MysqlDialect({ pool }) }),
    disconnect() {
      for (const connection of connections) connection.destroy();
    },
  };
}

/** A server whose state is watched. */
export type MysqlServer = SqlServer & Pick<Mysql, 'pool'>;

/** The server that is read, and the one that is written, if it is another. */
export function openMysqlServers(
  config: Config['mysql'],
  logger: Logger,
): { reader: MysqlServer; writer: MysqlServer | undefined } {
  const { host, user, password, database } = config.writer;
  const hasWriter = host && user && password && database;
  return {
    reader: openServer('MySQL', config, config.reader, 'cached accounts serve on', logger),
    writer: hasWriter
      ? openServer('MySQL writer', config, config.writer, 'states of carriers are saved when it is back', logger)
      : undefined,
  };
}

function openServer(
  name: string,
  config: Config['mysql'],
  server: Config['mysql']['reader'],
  affects: string,
  logger: Logger,
): MysqlServer {
  const { pool, db, disconnect } = openMysql(config, server);
  const dependency = new Dependency({
    name,
    address: `${server.host}:${server.port}`,
    affects,
    probe: () => classified(name, pool.promise().query('SELECT 1'), config.timeoutMs, systemTimers),
    onDown: disconnect,
    timers: systemTimers,
    logger,
  });
  return { pool, db, dependency };
}

function usesTls(config: Config['mysql']): boolean {
  return !config.rejectUnauthorized || Boolean(config.sslCaFile || config.sslCertFile || config.sslKeyFile);
}
