import { Database } from 'bun:sqlite';
import { SqliteAbuseStore } from '../../src/adapters/sqlite/abuse-store.ts';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { ManualTimers } from '../support/timers.ts';
import { abuseStoreContract, POLICY } from './abuse-store.ts';

const database = new Database(':memory:', { strict: true });
database.run(SCHEMA);
const timers = new ManualTimers();

abuseStoreContract('SQLite', new SqliteAbuseStore(database, POLICY, timers), timers, async (id) => {
  const row = database.query<{ count: number }, [string]>('SELECT count FROM nonces WHERE id = ?').get(id);
  return row?.count === 2 ** 32;
});
