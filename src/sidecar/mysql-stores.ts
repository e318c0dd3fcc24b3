import { SqlCarriers } from '../adapters/sql/carriers.ts';
import type { ClientPasswordCipher } from '../adapters/sql/client-password.ts';
import { SqlDirectory } from '../adapters/sql/directory.ts';
import { type MysqlServer, openMysqlServers } from '../adapters/sql/mysql.ts';
import { classified } from '../adapters/sql/run-query.ts';
import { MysqlSbcAddresses } from '../adapters/sql/sbc-addresses.ts';
import type { Config } from '../config/index.ts';
import { background, turn } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import { type Clock, systemTimers } from '../lib/timers.ts';
import type { DatabaseStores, Opened } from './stores.ts';

const END_TIMEOUT_MS = 1_000;

/** The platform's database in MySQL. */
export function databaseInMysql(
  config: Config,
  cipher: ClientPasswordCipher,
  logger: Logger,
  clock: Clock,
): DatabaseStores & Opened {
  const { reader, writer } = openMysqlServers(config.mysql, logger);
  const writes = writer ?? reader;
  const servers = writer ? [reader, writer] : [reader];
  const ping = () => {
    for (const { pool, dependency } of servers)
      background(logger, 'MySQL keep-alive', () => dependency.ask(() => pool.promise().query('SELECT 1')));
  };
  const timer = config.mysql.keepAliveMs > 0 ? setInterval(ping, config.mysql.keepAliveMs) : undefined;
  return {
    database: reader.dependency,
    ...(writer && { databaseWriter: writer.dependency }),
    directory: new SqlDirectory(reader, config.mysql.timeoutMs, cipher, clock, logger),
    carriers: new SqlCarriers(reader, writes, logger),
    addresses: new MysqlSbcAddresses(writes),
    async close() {
      clearInterval(timer);
      // Not through Kysely, which ends only a pool it has used. A query under way may hold up the end or make it fail.
      const end = ({ pool }: MysqlServer) => classified('MySQL', pool.promise().end(), END_TIMEOUT_MS, systemTimers);
      await Promise.all(servers.map((server) => turn(logger, 'end of the MySQL connections', () => end(server))));
    },
  };
}
