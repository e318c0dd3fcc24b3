import { afterAll, expect, test } from 'bun:test';
import { CachedDirectory } from '../../src/adapters/cached-directory.ts';
import { SqlDirectory } from '../../src/adapters/sql/directory.ts';
import { openMysql } from '../../src/adapters/sql/mysql.ts';
import { readConfig } from '../../src/config/index.ts';
import { ClientPasswordCipher } from '../../src/crypto/client-password.ts';
import { systemClock } from '../../src/ports.ts';
import { RecordingLogger } from '../support/logger.ts';
import { sharedMariadb } from '../support/mariadb.ts';
import { directoryContract } from './directory.ts';

const server = await sharedMariadb();
const { mysql } = readConfig({
  SIDECAR_EMBEDDED: '1',
  ENCRYPTION_SECRET: 'secret',
  JAMBONES_MYSQL_HOST: server.host,
  JAMBONES_MYSQL_PORT: String(server.port),
  JAMBONES_MYSQL_USER: server.user,
  JAMBONES_MYSQL_PASSWORD: server.password,
  JAMBONES_MYSQL_DATABASE: server.database,
});
const { db } = openMysql(mysql, mysql.reader);
afterAll(() => db.destroy());

directoryContract('MySQL', async () => db);

test('many who ask for one name at once ask MySQL once', async () => {
  const logger = new RecordingLogger();
  const cipher = new ClientPasswordCipher('secret', false);
  let queries = 0;
  const counted = db.withPlugin({
    transformQuery: ({ node }) => {
      queries++;
      return node;
    },
    transformResult: async ({ result }) => result,
  });
  const directory = new CachedDirectory(
    new SqlDirectory(counted, 'MySQL', cipher, systemClock, logger),
    { refreshMs: 30_000, staleMs: 60_000 },
    systemClock,
    logger,
  );
  const answers = await Promise.all(Array.from({ length: 50 }, () => directory.client('no-account', 'nobody')));
  expect(answers.every((answer) => answer === undefined)).toBe(true);
  expect(queries).toBe(1);
});
