import type { Kysely } from 'kysely';
import { withDeadline } from '../../lib/deadline.ts';
import type { Dependency } from '../../lib/dependency.ts';
import { isOwnFault } from '../../lib/own-fault.ts';
import { systemTimers, type Timers } from '../../lib/timers.ts';
import { databaseFault } from './database-error.ts';
import type { Tables } from './tables.ts';

/** A database server, and whether it answers. */
export interface SqlServer {
  readonly db: Kysely<Tables>;
  readonly dependency: Dependency;
}

/**
 * Runs a query.
 * @throws QueryFault when the database refuses this query; Unavailable when it does not answer, not within `timeoutMs`, or
 * is known to be down
 */
export function runQuery<T>(
  { db, dependency }: SqlServer,
  query: (db: Kysely<Tables>) => Promise<T>,
  timeoutMs: number,
  timers = systemTimers,
): Promise<T> {
  return dependency.ask(() => classified(dependency.name, query(db), timeoutMs, timers));
}

/** The result of a query, or its error as {@link runQuery} throws it. */
export async function classified<T>(service: string, query: Promise<T>, timeoutMs: number, timers: Timers): Promise<T> {
  try {
    return await withDeadline(query, timeoutMs, () => new Error('no answer in time'), timers);
  } catch (error) {
    throw isOwnFault(error) ? error : databaseFault(service, error);
  }
}
