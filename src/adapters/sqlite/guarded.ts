import { Unavailable } from '../../ports/errors.ts';

/** Runs statements. @throws Unavailable when SQLite fails */
export function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Error && error.name === 'SQLiteError') throw new Unavailable('SQLite', error.message);
    throw error;
  }
}
