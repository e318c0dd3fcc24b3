import type { Database } from 'bun:sqlite';
import { randomUUID } from 'node:crypto';
import type { SbcAddresses } from '../../ports/sbc-addresses.ts';
import type { SbcAddress } from '../../sip/hostports.ts';
import { guarded } from './guarded.ts';

/**
 * One row per pair of IP and port. Not through Kysely: its transactions span turns of the event loop and would include
 * updates of bindings.
 */
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
    const values = [tlsPort ?? null, wssPort ?? null, ip, port];
    const { changes } = this.database
      .query(
        `UPDATE sbc_addresses SET tls_port = ?, wss_port = ?, last_updated = datetime('now')
         WHERE ipv4 = ? AND port = ?`,
      )
      .run(...values);
    if (changes > 0) return;
    this.database
      .query(
        `INSERT INTO sbc_addresses (tls_port, wss_port, ipv4, port, last_updated, sbc_address_sid)
         VALUES (?, ?, ?, ?, datetime('now'), ?)`,
      )
      .run(...values, randomUUID());
  }
}
