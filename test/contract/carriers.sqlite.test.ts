import { Database } from 'bun:sqlite';
import { expect, test } from 'bun:test';
import { SqlCarriers } from '../../src/adapters/sql/carriers.ts';
import { kyselyOver } from '../../src/adapters/sql/sqlite.ts';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import { RecordingLogger } from '../support/logger.ts';
import { sqlServer } from '../support/sql-server.ts';
import { carriersContract } from './carriers.ts';

function open() {
  const database = new Database(':memory:', { strict: true });
  database.run(SCHEMA);
  return database;
}

carriersContract('SQLite', kyselyOver(open()));

test('reads and writes of a closed database are Unavailable', async () => {
  const database = open();
  const db = kyselyOver(database);
  const carriers = new SqlCarriers(sqlServer(db, 'SQLite'), sqlServer(db, 'SQLite'), new RecordingLogger());
  database.close();
  await expect(carriers.read()).rejects.toThrow(Unavailable);
  await expect(carriers.disablePing('some')).rejects.toThrow(Unavailable);
});
