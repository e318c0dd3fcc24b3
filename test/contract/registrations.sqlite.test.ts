import { Database } from 'bun:sqlite';
import { SqliteLocationService } from '../../src/adapters/sqlite/location.ts';
import { SqliteRegistrations } from '../../src/adapters/sqlite/registrations.ts';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { unsyncedCommitter } from '../support/committer.ts';
import { RecordingLogger } from '../support/logger.ts';
import { registrationsContract } from './registrations.ts';

registrationsContract('SQLite', async (timers) => {
  const database = new Database(':memory:', { strict: true });
  database.run(SCHEMA);
  return {
    registrations: new SqliteRegistrations(database, timers),
    location: new SqliteLocationService(database, unsyncedCommitter(database), timers, new RecordingLogger()),
  };
});
