import { withDeadline } from '../../lib/deadline.ts';
import { systemTimers } from '../../lib/timers.ts';
import { Unavailable } from '../../ports/errors.ts';

/** Awaits a query. @throws Unavailable when it fails or takes longer than `timeoutMs` */
export async function runQuery<T>(
  service: string,
  query: Promise<T>,
  timeoutMs: number,
  timers = systemTimers,
): Promise<T> {
  try {
    return await withDeadline(query, timeoutMs, () => new Error('no answer in time'), timers);
  } catch (error) {
    throw new Unavailable(service, error instanceof Error ? error.message : String(error));
  }
}
