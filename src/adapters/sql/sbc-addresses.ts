import { randomUUID } from 'node:crypto';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { SbcAddresses } from '../../ports/sbc-addresses.ts';
import type { SbcAddress } from '../../sip/hostports.ts';
import { runQuery } from './run-query.ts';
import type { Tables } from './tables.ts';

/** For the transaction and its retries. */
const TIMEOUT_MS = 10_000;
/** Two sidecars that insert the same address deadlock; MySQL aborts one, which finds the row when it retries. */
const MAX_ATTEMPTS = 5;
const now = sql<string>`NOW()`;

/** One row per IP. Times are those of the MySQL server, as earlier jambonz sidecars write and compare them. */
export class MysqlSbcAddresses implements SbcAddresses {
  constructor(private readonly db: Kysely<Tables>) {}

  announce(addresses: readonly SbcAddress[], deadSeconds: number): Promise<void> {
    return runQuery('MySQL', this.#announce(addresses, deadSeconds), TIMEOUT_MS);
  }

  async #announce(addresses: readonly SbcAddress[], deadSeconds: number): Promise<void> {
    // With this isolation level `put` also locks the gap where a missing row would be.
    const transaction = this.db.transaction().setIsolationLevel('repeatable read');
    for (let attempt = 1; ; attempt++) {
      try {
        return await transaction.execute(async (trx) => {
          for (const address of addresses) await put(trx, address);
          await trx
            .deleteFrom('sbc_addresses')
            .where((eb) =>
              eb.or([
                eb('last_updated', 'is', null),
                eb('last_updated', '<', sql<string>`DATE_SUB(NOW(), INTERVAL ${deadSeconds} SECOND)`),
              ]),
            )
            .execute();
        });
      } catch (error) {
        if (!isDeadlock(error) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }
}

async function put(trx: Transaction<Tables>, { ip, port, tlsPort, wssPort }: SbcAddress): Promise<void> {
  const columns = { port, tls_port: tlsPort ?? null, wss_port: wssPort ?? null, last_updated: now };
  const existing = await trx
    .selectFrom('sbc_addresses')
    .select('sbc_address_sid')
    .where('ipv4', '=', ip)
    .orderBy('sbc_address_sid')
    .limit(1)
    .forUpdate()
    .executeTakeFirst();
  if (existing)
    await trx
      .updateTable('sbc_addresses')
      .set(columns)
      .where('sbc_address_sid', '=', existing.sbc_address_sid)
      .execute();
  else
    await trx
      .insertInto('sbc_addresses')
      .values({ sbc_address_sid: randomUUID(), ipv4: ip, service_provider_sid: null, ...columns })
      .execute();
}

function isDeadlock(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ER_LOCK_DEADLOCK';
}
