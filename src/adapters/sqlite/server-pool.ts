import type { Database } from 'bun:sqlite';
import type { Clock } from '../../lib/timers.ts';
import type { CheckIn, CheckInOutcome, FeatureServer, ServerKind, ServerPool } from '../../ports/server-pool.ts';
import { ipOf } from '../../sip/ip.ts';
import type { Committer } from './committer.ts';
import { guarded } from './guarded.ts';

/** A server is active unless its IP is drained; unlike in Redis there is no separate set of active servers. */
export class SqliteServerPool implements ServerPool {
  readonly #sql: ReturnType<typeof statements>;

  constructor(
    private readonly database: Database,
    private readonly committer: Committer,
    private readonly clock: Clock,
  ) {
    this.#sql = statements(database);
  }

  async checkIn({ kind, member, open, calls, serviceUrl }: CheckIn): Promise<CheckInOutcome> {
    const ip = ipOf(member) ?? member;
    return this.#atomically(() => {
      const known = this.#sql.find.get(kind, member) !== null;
      if (open) this.#sql.save.run(kind, member, ip, this.clock.now(), calls ?? null, serviceUrl ?? null);
      else this.#sql.remove.run(kind, member);
      const members = this.#members(kind);
      const canBeActive = kind === 'rtp' || this.#sql.isDrained.get(ip) === null;
      if (known === open || !canBeActive) return { members };
      return { members, change: open ? 'joined' : 'left' };
    });
  }

  drain(ip: string): Promise<string[]> {
    return this.committer.durably(() => {
      this.#sql.drain.run(ip);
      return this.#drained();
    });
  }

  undrain(ip: string, silentMs: number): Promise<string[]> {
    return this.committer.durably(() => {
      const wasDrained = this.#sql.undrain.run(ip).changes > 0;
      // Otherwise a silent server would be active until the next expiry.
      if (wasDrained) this.#sql.removeSilent.run(ip, this.clock.now() - silentMs);
      return this.#drained();
    });
  }

  async expire(kind: ServerKind, silentMs: number): Promise<string[]> {
    return this.#atomically(() => {
      const silent = this.#sql.silent.all(kind, this.clock.now() - silentMs);
      for (const { member } of silent) this.#sql.remove.run(kind, member);
      return silent.filter(({ drained }) => drained === 0).map(({ member }) => member);
    });
  }

  async featureServers(): Promise<{ servers: FeatureServer[]; drained: string[] }> {
    return this.#atomically(() => ({
      servers: this.#sql.list.all().map(({ member, ip, at, calls, service_url, drained }) => ({
        member,
        ip,
        active: drained === 0,
        lastCheckIn: at,
        ...(calls !== null && { calls }),
        ...(service_url !== null && { serviceUrl: service_url }),
      })),
      drained: this.#drained(),
    }));
  }

  /** Feature servers in Kubernetes know Redis alone. */
  async inKubernetes(): Promise<number> {
    return 0;
  }

  async rtpServers(): Promise<number> {
    return guarded(() => this.#members('rtp'));
  }

  #members(kind: ServerKind): number {
    return this.#sql.count.get(kind)?.n ?? 0;
  }

  #drained(): string[] {
    return this.#sql.drained.all().map(({ ip }) => ip);
  }

  #atomically<T>(work: () => T): T {
    return guarded(this.database.transaction(work).immediate);
  }
}

function statements(db: Database) {
  const isDrained = `kind = 'feature' AND ip IN (SELECT ip FROM drained)`;
  return {
    find: db.query('SELECT 1 FROM servers WHERE kind = ? AND member = ?'),
    save: db.query(
      `INSERT INTO servers (kind, member, ip, at, calls, service_url) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET at = max(at, excluded.at), calls = excluded.calls, service_url = excluded.service_url`,
    ),
    remove: db.query('DELETE FROM servers WHERE kind = ? AND member = ?'),
    removeSilent: db.query("DELETE FROM servers WHERE kind = 'feature' AND ip = ? AND at < ?"),
    count: db.query<{ n: number }, [string]>(`SELECT count(*) AS n FROM servers WHERE kind = ? AND NOT (${isDrained})`),
    silent: db.query<{ member: string; drained: number }, [string, number]>(
      `SELECT member, ${isDrained} AS drained FROM servers WHERE kind = ? AND at < ? ORDER BY member`,
    ),
    list: db.query<
      { member: string; ip: string; at: number; calls: number | null; service_url: string | null; drained: number },
      []
    >(
      `SELECT member, ip, at, calls, service_url, ${isDrained} AS drained FROM servers WHERE kind = 'feature'
       ORDER BY member`,
    ),
    drain: db.query('INSERT OR IGNORE INTO drained (ip) VALUES (?)'),
    undrain: db.query('DELETE FROM drained WHERE ip = ?'),
    isDrained: db.query('SELECT 1 FROM drained WHERE ip = ?'),
    drained: db.query<{ ip: string }, []>('SELECT ip FROM drained ORDER BY ip'),
  };
}
