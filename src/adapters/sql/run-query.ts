import { withDeadline } from '../../lib/deadline.ts';
import { systemTimers } from '../../lib/timers.ts';
import { QueryFault, Unavailable } from '../../ports/errors.ts';

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
    const why = error instanceof Error ? error.message : String(error);
    const fault = codeOfFault(error);
    throw fault === undefined ? new Unavailable(service, why) : new QueryFault(service, why, fault);
  }
}

/** SQLSTATE classes of connection errors, and of queries that the server ends before their time. */
const OUTAGE_STATES = /^(08|70)/;

/** The code of an error that concerns one query. */
function codeOfFault(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  const code = String(error.code);
  if (code === 'SQLITE_ERROR') return code;
  // MySQL also gives a SQLSTATE when it refuses a connection, but no statement belongs to that.
  const isAnswer = 'sqlState' in error && 'sql' in error && error.sql !== undefined;
  return isAnswer && !OUTAGE_STATES.test(String(error.sqlState)) ? code : undefined;
}
