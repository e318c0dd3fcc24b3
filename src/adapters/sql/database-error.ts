import { type DependencyError, QueryFault, Unavailable } from '../../ports/errors.ts';

/**
 * SQLSTATE classes of MySQL: errors of the connection (08), and queries that the server ends before their time because it
 * stops, their connection is killed or their time is up (70).
 */
const OUTAGE_STATES = /^(08|70)/;
/** MySQL: the time of a query is up; its SQLSTATE does not tell. */
const OUTAGE_CODES = new Set(['ER_QUERY_TIMEOUT', 'ER_STATEMENT_TIMEOUT']);
/** MySQL: its SQLSTATE is that of an error of the connection, but it is the query that is too large. */
const FAULT_CODES = new Set(['ER_NET_PACKET_TOO_LARGE']);

/** Result codes of SQLite that concern one statement, or every write while reads go on; others concern the whole file. */
const SQLITE_FAULTS = /^SQLITE_(ERROR|CONSTRAINT|TOOBIG|MISMATCH|RANGE|FULL|READONLY)/;

/** What an error of a query means. */
export function databaseFault(service: string, error: unknown): DependencyError {
  const why = error instanceof Error ? error.message : String(error);
  const code = codeOfFault(error);
  return code === undefined ? new Unavailable(service, why) : new QueryFault(service, why, code);
}

/** The code of an error that concerns one query; undefined for an outage. */
function codeOfFault(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  const code = String(error.code);
  if (code.startsWith('SQLITE_')) return SQLITE_FAULTS.test(code) ? code : undefined;
  // MySQL also gives a SQLSTATE when it refuses a connection, but no statement belongs to that.
  if (!('sqlState' in error && 'sql' in error && error.sql !== undefined)) return undefined;
  if (FAULT_CODES.has(code)) return code;
  return OUTAGE_CODES.has(code) || OUTAGE_STATES.test(String(error.sqlState)) ? undefined : code;
}
