/** A service we depend on did not answer, or not in time. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
  constructor(
    /** What a person calls it: 'Redis', 'MySQL', 'SQLite'. */
    readonly service: string,
    why: string,
  ) {
    super(`${service}: ${why}`);
  }
}
