import { withDeadline } from '../../lib/deadline.ts';
import { systemTimers } from '../../lib/timers.ts';
import { Unavailable } from '../../ports/errors.ts';

/**
 * The result of a query.
 * @param service 'MySQL' or 'SQLite', for people
 * @throws Unavailable when it fails, or has no result within `ms` milliseconds
 */
export async function answer<T>(service: string, query: Promise<T>, ms: number, timers = systemTimers): Promise<T> {
  try {
    return await withDeadline(query, ms, () => new Error('no answer in time'), timers);
  } catch (error) {
    throw new Unavailable(service, error instanceof Error ? error.message : String(error));
  }
}
