import type { Database } from 'bun:sqlite';
import { Dependency } from '../../lib/dependency.ts';
import type { Logger } from '../../lib/logger.ts';
import { systemTimers } from '../../lib/timers.ts';
import { guarded } from './guarded.ts';

/** How long a question may take; SQLite itself waits 2 s for another process that writes. */
export const SQLITE_TIMEOUT_MS = 5_000;

/**
 * Whether the database can be written.
 * @param database a connection that does not sync, because it is written every few seconds
 */
export function sqliteDependency(database: Database, directory: string, logger: Logger): Dependency {
  const probe = database.query(
    `INSERT INTO settings (name, value) VALUES ('probe', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1`,
  );
  return new Dependency({
    name: 'SQLite',
    address: directory,
    affects: 'phones are answered 503',
    probe: async () => guarded(() => probe.run(String(systemTimers.now()))),
    timers: systemTimers,
    logger,
  });
}
