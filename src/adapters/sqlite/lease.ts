import type { Database } from 'bun:sqlite';
import { uptime } from 'node:os';
import type { Lease } from '../../ports/lease.ts';
import { guarded } from './guarded.ts';

/** The uptime counts whole seconds: a lease lasts one more, so that it never ends early. */
const CLOCK_STEP_MS = 1000;
/** The uptime starts at 0 with the machine: a lease that was taken later than now is from before the restart. */
const HELD = 'taken_at <= ?2 AND ?2 < expiry';

/**
 * A lease by the uptime of the machine, a clock that all processes with this database share and that cannot be set: after a
 * change of the time of day the lease of a live process stays, and that of a dead one ends. Each operation is one
 * statement, and so atomic among the processes.
 */
export class SqliteLease implements Lease {
  constructor(
    private readonly database: Database,
    private readonly clusterId: string,
    /** Seconds since the machine started. */
    private readonly uptimeSeconds: () => number = uptime,
  ) {}

  async take(token: string, lengthMs: number): Promise<boolean> {
    return this.#changes(
      `INSERT INTO machine_leases (name, token, taken_at, expiry) VALUES (?1, ?3, ?2, ?4)
       ON CONFLICT (name) DO UPDATE SET token = ?3, taken_at = ?2, expiry = ?4 WHERE NOT (${HELD})`,
      token,
      lengthMs,
    );
  }

  async renew(token: string, lengthMs: number): Promise<boolean> {
    return this.#changes(
      `UPDATE machine_leases SET taken_at = ?2, expiry = ?4 WHERE name = ?1 AND token = ?3 AND ${HELD}`,
      token,
      lengthMs,
    );
  }

  async release(token: string): Promise<void> {
    guarded(() =>
      this.database.query('DELETE FROM machine_leases WHERE name = ? AND token = ?').run(this.clusterId, token),
    );
  }

  async holder(): Promise<string | undefined> {
    const query = this.database.query<{ token: string }, [string, number]>(
      `SELECT token FROM machine_leases WHERE name = ?1 AND ${HELD}`,
    );
    return guarded(() => query.get(this.clusterId, this.#now()))?.token;
  }

  #changes(sql: string, token: string, lengthMs: number): boolean {
    const now = this.#now();
    const expiry = now + lengthMs + CLOCK_STEP_MS;
    return guarded(() => this.database.query(sql).run(this.clusterId, now, token, expiry).changes > 0);
  }

  #now(): number {
    return Math.floor(this.uptimeSeconds() * 1000);
  }
}
