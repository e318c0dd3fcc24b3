import type { Database } from 'bun:sqlite';
import type { Clock } from '../../lib/timers.ts';
import type { GatewayBlacklist } from '../../ports/gateway-blacklist.ts';
import { guarded } from './guarded.ts';

export class SqliteGatewayBlacklist implements GatewayBlacklist {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  async add(gatewaySid: string, ttlSeconds: number): Promise<void> {
    const now = this.clock.now();
    guarded(
      this.database.transaction(() => {
        this.database
          .query('INSERT OR REPLACE INTO blacklisted_gateways (sip_gateway_sid, expiry) VALUES (?, ?)')
          .run(gatewaySid, now + ttlSeconds * 1000);
        this.database.query('DELETE FROM blacklisted_gateways WHERE expiry <= ?').run(now);
      }),
    );
  }

  async remove(gatewaySid: string): Promise<void> {
    guarded(() => this.database.query('DELETE FROM blacklisted_gateways WHERE sip_gateway_sid = ?').run(gatewaySid));
  }
}
