import { withDeadline } from '../../lib/deadline.ts';
import { isOwnFault } from '../../lib/own-fault.ts';
import { systemTimers } from '../../lib/timers.ts';
import { databaseFault } from './database-error.ts';

/**
 * Awaits a query.
 * @throws QueryFault when the database refuses this query, Unavailable when it does not answer or not within `timeoutMs`
 */
export async function runQuery<T>(
  service: string,
  query: Promise<T>,
  timeoutMs: number,
  timers = systemTimers,
): Promise<T> {
  try {
    return await withDeadline(query, timeoutMs, () => new Error('no answer in time'), timers);
  } catch (error) {
    throw isOwnFault(error) ? error : databaseFault(service, error);
  }
}
