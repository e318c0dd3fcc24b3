/**
 * A dependency (Redis, MySQL, SQLite, DNS, the SIP server) did not do what we asked. A request that needs it is answered
 * 503; work in the background goes on at its next turn. Catch this class unless the difference below matters.
 */
export abstract class DependencyError extends Error {
  constructor(
    /** Display name: 'Redis', 'MySQL', 'SQLite'. */
    readonly service: string,
    readonly why: string,
  ) {
    super(`${service}: ${why}`);
  }
}

/**
 * An outage: the dependency could not be asked, because the connection failed, the deadline passed, or the server in its
 * present state answers no client (it loads its data, has too many clients, is a replica now).
 */
export class Unavailable extends DependencyError {
  override readonly name = 'Unavailable';
}

/** The dependency answered, with an error that concerns this question. It is no outage: other questions may go on. */
export class QueryFault extends DependencyError {
  override readonly name = 'QueryFault';

  constructor(
    service: string,
    why: string,
    /** Names the kind of error: `WRONGTYPE`, `ER_BAD_FIELD_ERROR`. The set of codes is bounded. */
    readonly code: string,
  ) {
    super(service, why);
  }
}
