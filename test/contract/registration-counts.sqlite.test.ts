import { Database } from 'bun:sqlite';
import { SqliteLocationService } from '../../src/adapters/sqlite/location.ts';
import { SqliteRegistrationCounts } from '../../src/adapters/sqlite/registration-counts.ts';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { unsyncedCommitter } from '../support/committer.ts';
import { RecordingLogger } from '../support/logger.ts';
import { registrationCountsContract } from './registration-counts.ts';

registrationCountsContract('SQLite', async (timers) => {
  const database = new Database(':memory:', { strict: true });
  database.run(SCHEMA);
  return {
    location: new SqliteLocationService(database, unsyncedCommitter(database), timers, new RecordingLogger()),
    counts: new SqliteRegistrationCounts(database, timers),
  };
});
