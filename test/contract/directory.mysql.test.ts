import { afterAll, expect, test } from 'bun:test';
import { CachedDirectory } from '../../src/adapters/cached/directory.ts';
import { ClientPasswordCipher } from '../../src/adapters/sql/client-password.ts';
import { SqlDirectory } from '../../src/adapters/sql/directory.ts';
import { systemClock } from '../../src/lib/timers.ts';
import { RecordingLogger } from '../support/logger.ts';
import { openDatabase } from '../support/mariadb.ts';
import { openMysqlOf } from '../support/mysql.ts';
import { directoryContract } from './directory.ts';

const mariadb = await openDatabase();
const { db } = openMysqlOf(mariadb);
afterAll(() => db.destroy());

directoryContract('MySQL', async () => db);

test('concurrent lookups of one client share one query', async () => {
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
