import type { Database } from 'bun:sqlite';
import type { Clock } from '../../lib/timers.ts';
import type { Aor } from '../../ports/location.ts';
import type { Registration, RegistrationFilter, Registrations } from '../../ports/registrations.ts';
import { aorName, isSelected, readAorName } from '../../sip/aor.ts';
import { liveBindings } from '../binding-json.ts';
import { guarded } from './guarded.ts';

/** AORs per step, which takes about a millisecond. */
const STEP = 100;
/** The same where most names are only compared. */
const FILTERED_STEP = 1000;

export class SqliteRegistrations implements Registrations {
  readonly #sql: ReturnType<typeof statements>;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {
    this.#sql = statements(database);
  }

  async *batches({ realm, text }: RegistrationFilter = {}): AsyncGenerator<readonly Registration[]> {
    const step = realm === undefined && text === undefined ? STEP : FILTERED_STEP;
    let last = '';
    for (;;) {
      const names = guarded(() => this.#sql.aors.all(last, step).map(({ aor }) => aor));
      const wanted = names.flatMap((name) => readAorName(name) ?? []).filter((aor) => isSelected(aor, realm, text));
      for (let i = 0; i < wanted.length || i === 0; i += STEP)
        yield guarded(this.database.transaction(() => this.#read(wanted.slice(i, i + STEP))));
      if (names.length < step) return;
      last = names.at(-1) ?? last;
    }
  }

  async countAors(): Promise<number> {
    return guarded(() => this.#sql.count.get(this.clock.now())?.aors ?? 0);
  }

  #read(aors: readonly Aor[]): Registration[] {
    const now = this.clock.now();
    return aors.flatMap((aor): Registration[] => {
      const jsons = this.#sql.bindings.all(aorName(aor)).map(({ json }) => json);
      const bindings = liveBindings(jsons, now, () => {}).map(({ binding }) => binding);
      return bindings.length > 0 ? [{ aor, bindings }] : [];
    });
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
