import { Database } from 'bun:sqlite';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { SqliteServerPool } from '../../src/adapters/sqlite/server-pool.ts';
import { unsyncedCommitter } from '../support/committer.ts';
import { serverPoolContract } from './server-pool.ts';

serverPoolContract('SQLite', (clock) => {
  const database = new Database(':memory:', { strict: true });
  database.run(SCHEMA);
  return new SqliteServerPool(database, unsyncedCommitter(database), clock);
});
