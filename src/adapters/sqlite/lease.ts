import type { Database } from 'bun:sqlite';
import type { Clock } from '../../lib/timers.ts';
import type { Lease } from '../../ports/lease.ts';
import { guarded } from './guarded.ts';

/** Each operation is one statement, and so atomic among the processes that share the database. */
export class SqliteLease implements Lease {
  constructor(
    private readonly database: Database,
    private readonly clusterId: string,
    private readonly clock: Clock,
  ) {}

  async take(token: string, lengthMs: number): Promise<boolean> {
    const now = this.clock.now();
    return this.#changes(
      `INSERT INTO leases (name, token, expiry) VALUES (?1, ?2, ?3)
       ON CONFLICT (name) DO UPDATE SET token = ?2, expiry = ?3 WHERE expiry <= ?4`,
      this.clusterId,
      token,
      now + lengthMs,
      now,
    );
  }

  async renew(token: string, lengthMs: number): Promise<boolean> {
    const now = this.clock.now();
    return this.#changes(
      'UPDATE leases SET expiry = ?3 WHERE name = ?1 AND token = ?2 AND expiry > ?4',
      this.clusterId,
      token,
      now + lengthMs,
      now,
    );
  }

  async release(token: string): Promise<void> {
    this.#changes('DELETE FROM leases WHERE name = ? AND token = ?', this.clusterId, token);
  }

  async holder(): Promise<string | undefined> {
    const query = this.database.query<{ token: string }, [string, number]>(
      'SELECT token FROM leases WHERE name = ? AND expiry > ?',
    );
    return guarded(() => query.get(this.clusterId, this.clock.now()))?.token;
  }

  #changes(sql: string, ...values: (string | number)[]): boolean {
    return guarded(() => this.database.query(sql).run(...values).changes > 0);
  }
}
