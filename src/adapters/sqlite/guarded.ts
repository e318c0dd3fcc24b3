import { databaseFault } from '../sql/database-error.ts';

/**
 * Runs statements.
 * @throws QueryFault when SQLite refuses one of them, Unavailable when it cannot use its file
 */
export function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof Error && error.name === 'SQLiteError' ? databaseFault('SQLite', error) : error;
  }
}
