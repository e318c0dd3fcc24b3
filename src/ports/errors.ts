/** A dependency failed or did not answer in time. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
  constructor(
    /** Display name: 'Redis', 'MySQL', 'SQLite'. */
    readonly service: string,
    why: string,
  ) {
    super(`${service}: ${why}`);
  }
}

/** The service answered, with an error that concerns one query: it is no outage, and other queries may go on. */
export class QueryFault extends Unavailable {
  constructor(
    service: string,
    why: string,
    /** Names the kind of error: `ER_BAD_FIELD_ERROR`. */
    readonly code: string,
  ) {
    super(service, why);
  }
}
