import type { Database } from 'bun:sqlite';
import { randomUUID } from 'node:crypto';
import type { SbcAddresses } from '../../ports/sbc-addresses.ts';
import type { SbcAddress } from '../../sip/hostports.ts';
import { guarded } from './guarded.ts';

/** Not through Kysely: its transactions span turns of the event loop and would include updates of bindings. */
export class SqliteSbcAddresses implements SbcAddresses {
  constructor(private readonly database: Database) {}

  async announce(addresses: readonly SbcAddress[], deadSeconds: number): Promise<void> {
    guarded(
      this.database.transaction(() => {
        for (const address of addresses) this.#put(address);
        this.database
          .query(
            `DELETE FROM sbc_addresses
             WHERE last_updated IS NULL OR last_updated < datetime('now', '-' || ? || ' seconds')`,
          )
          .run(deadSeconds);
      }).immediate,
    );
  }

  #put({ ip, port, tlsPort, wssPort }: SbcAddress): void {
    const columns = [port, tlsPort ?? null, wssPort ?? null];
    const known = this.database
      .query<{ sid: string }, [string]>('SELECT sbc_address_sid AS sid FROM sbc_addresses WHERE ipv4 = ? LIMIT 1')
      .get(ip);
    if (known)
      this.database
        .query(
          `UPDATE sbc_addresses SET port = ?, tls_port = ?, wss_port = ?, last_updated = datetime('now')
           WHERE sbc_address_sid = ?`,
        )
        .run(...columns, known.sid);
    else
      this.database
        .query(
          `INSERT INTO sbc_addresses (port, tls_port, wss_port, last_updated, sbc_address_sid, ipv4)
           VALUES (?, ?, ?, datetime('now'), ?, ?)`,
        )
        .run(...columns, randomUUID(), ip);
  }
}
