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
