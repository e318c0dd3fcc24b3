import { DependencyError, QueryFault, Unavailable } from '../ports/errors.ts';
import { type Logger, traceOf } from './logger.ts';
import { OncePer } from './once-per.ts';
import { type Clock, systemClock } from './timers.ts';

/** Minimum interval between two lines about faults of one kind, milliseconds. */
const FAULT_INTERVAL_MS = 3_600_000;

/** What is remembered of the work that one logger reports on. Names of work are constants, so their number is bounded. */
interface Reports {
  readonly faults: OncePer;
  readonly logged: WeakSet<Error>;
  /** Work whose dependency could not be asked the last time. */
  readonly waiting: Set<string>;
  readonly failures: Map<string, number>;
}

const reportsOf = new WeakMap<Logger, Reports>();

/** Starts a {@link turn} of work that no caller waits for. */
export function background(logger: Logger, what: string, work: () => Promise<unknown>, clock?: Clock): void {
  void turn(logger, what, work, clock);
}

/**
 * Does one turn of background work. A failure goes no further: it is counted and logged, and the caller goes on with the
 * next turn. An outage is logged when it begins (repetitions at debug), a fault as by {@link logFault}.
 * @param what names the work in the log: `removal of silent servers`; a constant
 * @returns undefined when the work failed
 */
export async function turn<T>(
  logger: Logger,
  what: string,
  work: () => Promise<T>,
  clock: Clock = systemClock,
): Promise<T | undefined> {
  const { waiting, failures } = reports(logger, clock);
  try {
    const result = await work();
    waiting.delete(what);
    return result;
  } catch (error) {
    failures.set(what, (failures.get(what) ?? 0) + 1);
    if (error instanceof Unavailable) {
      logger[waiting.has(what) ? 'debug' : 'warn']({ why: error.message }, `${what} failed`);
      waiting.add(what);
    } else logFault(logger, what, error, clock);
    return undefined;
  }
}

/** How often each kind of background work has failed: name → count. */
export function backgroundFailures(logger: Logger): ReadonlyMap<string, number> {
  return reportsOf.get(logger)?.failures ?? new Map();
}

/**
 * Logs a fault as an error, and each further one of its kind in the same work at debug for an hour. The kind of a
 * QueryFault is its code. Any other error is one of our own code, and is logged with its stack. Call it where the error
 * is turned into an answer, or served around; an error is logged once, however many places it passes.
 */
export function logFault(logger: Logger, what: string, error: unknown, clock: Clock = systemClock): void {
  const { faults, logged } = reports(logger, clock);
  if (error instanceof Error) {
    if (logged.has(error)) return;
    logged.add(error);
  }
  const isNews = faults.isDue(`${what} ${kindOf(error)}`);
  const why = error instanceof DependencyError ? error.message : traceOf(error);
  logger[isNews ? 'error' : 'debug']({ why }, `${what} failed`);
}

function kindOf(error: unknown): string {
  if (error instanceof QueryFault) return `${error.service} ${error.code}`;
  return error instanceof Error ? `${error.name} ${error.message}` : String(error);
}

function reports(logger: Logger, clock: Clock): Reports {
  let found = reportsOf.get(logger);
  if (!found) {
    found = {
      faults: new OncePer(FAULT_INTERVAL_MS, clock),
      logged: new WeakSet(),
      waiting: new Set(),
      failures: new Map(),
    };
    reportsOf.set(logger, found);
  }
  return found;
}
