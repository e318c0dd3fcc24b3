import type { Database } from 'bun:sqlite';
import { Dependency } from '../../lib/dependency.ts';
import type { Logger } from '../../lib/logger.ts';
import { systemTimers } from '../../lib/timers.ts';
import type { Committer } from './committer.ts';
import { guarded } from './guarded.ts';

/** How long a question may take; SQLite itself waits 2 s for another process that writes. */
export const SQLITE_TIMEOUT_MS = 5_000;

/** Whether the database can be written, and synced to disk. */
export function sqliteDependency(
  database: Database,
  committer: Committer,
  directory: string,
  logger: Logger,
): Dependency {
  const probe = database.query(
    `INSERT INTO settings (name, value) VALUES ('probe', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1`,
  );
  return new Dependency({
    name: 'SQLite',
    address: directory,
    affects: 'phones are answered 503',
    probe: async () => {
      if (committer.outage) throw committer.outage;
      guarded(() => probe.run(String(systemTimers.now())));
    },
    timers: systemTimers,
    logger,
  });
}
