import type { Database } from 'bun:sqlite';
import type { Clock } from '../../lib/timers.ts';
import type { AorCounts, RegistrationCounts } from '../../ports/registration-counts.ts';
import { guarded } from './guarded.ts';

interface Row {
  readonly realm: string;
  readonly aors: number;
}

/** Counts by the table of realms, less the AORs that have expired and are not deleted yet. */
export class SqliteRegistrationCounts implements RegistrationCounts {
  readonly #stored;
  readonly #expired;

  constructor(
    database: Database,
    private readonly clock: Clock,
  ) {
    this.#stored = database.query<Row, []>('SELECT realm, aors FROM realms WHERE aors > 0');
    this.#expired = database.query<Row, [number]>(
      'SELECT realm, count(*) AS aors FROM aors WHERE expiry <= ? GROUP BY realm',
    );
  }

  async count(realms: number): Promise<AorCounts> {
    return guarded(() => {
      const expired = new Map(this.#expired.all(this.clock.now()).map(({ realm, aors }) => [realm, aors]));
      const inUse = this.#stored
        .all()
        .map(({ realm, aors }) => [realm, aors - (expired.get(realm) ?? 0)] as const)
        .filter(([, aors]) => aors > 0);
      const total = inUse.reduce((sum, [, aors]) => sum + aors, 0);
      return { total, realms: inUse.length, largest: inUse.sort(([, a], [, b]) => b - a).slice(0, realms) };
    });
  }
}
