import type { Database } from 'bun:sqlite';
import type { Clock } from '../../lib/timers.ts';
import type { Registration, Registrations } from '../../ports/registrations.ts';
import { isWithin, readAorName } from '../../sip/aor.ts';
import { liveBindings } from '../binding-json.ts';
import { guarded } from './guarded.ts';

/** AORs per step, which takes about a millisecond. */
const STEP = 100;

export class SqliteRegistrations implements Registrations {
  readonly #sql: ReturnType<typeof statements>;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {
    this.#sql = statements(database);
  }

  async *batches(realm?: string): AsyncGenerator<readonly Registration[]> {
    let last = '';
    for (;;) {
      const { rows, registrations } = guarded(this.database.transaction(() => this.#step(last, realm)));
      yield registrations;
      if (rows.length < STEP) return;
      last = rows[rows.length - 1]?.aor ?? last;
    }
  }

  async countAors(): Promise<number> {
    return guarded(() => this.#sql.count.get(this.clock.now())?.aors ?? 0);
  }

  /** The AORs that follow `after`, and the registrations of those within the realm. */
  #step(after: string, realm: string | undefined) {
    const rows = this.#sql.aors.all(after, STEP);
    const now = this.clock.now();
    const registrations = rows.flatMap(({ aor: name }): Registration[] => {
      const aor = readAorName(name);
      if (!aor || (realm !== undefined && !isWithin(aor.realm, realm))) return [];
      const jsons = this.#sql.bindings.all(name).map(({ json }) => json);
      const bindings = liveBindings(jsons, now, () => {}).map(({ binding }) => binding);
      return bindings.length > 0 ? [{ aor, bindings }] : [];
    });
    return { rows, registrations };
  }
}

function statements(db: Database) {
  return {
    aors: db.query<{ aor: string }, [string, number]>('SELECT aor FROM aors WHERE aor > ? ORDER BY aor LIMIT ?'),
    bindings: db.query<{ json: string }, [string]>('SELECT json FROM bindings WHERE aor = ?'),
    // Those that expired since the last sweep are still counted in their realms.
    count: db.query<{ aors: number }, [number]>(
      `SELECT (SELECT coalesce(sum(aors), 0) FROM realms) - (SELECT count(*) FROM aors WHERE expiry <= ?) AS aors`,
    ),
  };
}
