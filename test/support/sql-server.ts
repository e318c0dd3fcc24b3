import type { Kysely } from 'kysely';
import type { SqlServer } from '../../src/adapters/sql/run-query.ts';
import type { Tables } from '../../src/adapters/sql/tables.ts';
import { Dependency } from '../../src/lib/dependency.ts';
import { RecordingLogger } from './logger.ts';
import { ManualTimers } from './timers.ts';

/** A database server that is not probed, and so never counts as down. */
export function sqlServer(db: Kysely<Tables>, name: string): SqlServer {
  const dependency = new Dependency({
    name,
    address: 'test',
    affects: 'tests',
    probe: async () => {},
    timers: new ManualTimers(),
    logger: new RecordingLogger(),
  });
  return { db, dependency };
}
