import { Database } from 'bun:sqlite';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { SqliteTrunkContacts } from '../../src/adapters/sqlite/trunk-contacts.ts';
import { trunkContactsContract } from './trunk-contacts.ts';

trunkContactsContract('SQLite', () => {
  const database = new Database(':memory:', { strict: true });
  database.run(SCHEMA);
  return new SqliteTrunkContacts(database);
});
