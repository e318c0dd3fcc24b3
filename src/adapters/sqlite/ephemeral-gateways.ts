import type { Database } from 'bun:sqlite';
import type { Clock } from '../../lib/timers.ts';
import type { EphemeralGateways } from '../../ports/ephemeral-gateways.ts';
import { ipOf } from '../../sip/ip.ts';
import { guarded } from './guarded.ts';

export class SqliteEphemeralGateways implements EphemeralGateways {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  async set(ip: string, carrierSid: string, expiresAt: number): Promise<void> {
    guarded(
      this.database.transaction(() => {
        this.database
          .query('INSERT OR REPLACE INTO ephemeral_gateways (ip, voip_carrier_sid, expiry) VALUES (?, ?, ?)')
          .run(ipOf(ip) ?? ip, carrierSid, expiresAt);
        this.database.query('DELETE FROM ephemeral_gateways WHERE expiry <= ?').run(this.clock.now());
      }),
    );
  }

  async remove(ip: string, carrierSid: string): Promise<void> {
    guarded(() =>
      this.database
        .query('DELETE FROM ephemeral_gateways WHERE ip = ? AND voip_carrier_sid = ?')
        .run(ipOf(ip) ?? ip, carrierSid),
    );
  }
}
