import type { Database } from 'bun:sqlite';
import { Committer } from '../../src/adapters/sqlite/committer.ts';
import { systemTimers } from '../../src/lib/timers.ts';

/** Commits without a sync: for a database in memory. */
export function unsyncedCommitter(database: Database): Committer {
  return new Committer(database, { sync: async () => {}, maintain: async () => {} }, systemTimers, (error) => {
    throw error;
  });
}
