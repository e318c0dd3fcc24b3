import { randomUUID } from 'node:crypto';
import { sql, type Transaction } from 'kysely';
import type { SbcAddresses } from '../../ports/sbc-addresses.ts';
import type { SbcAddress } from '../../sip/hostports.ts';
import { runQuery, type SqlServer } from './run-query.ts';
import type { Tables } from './tables.ts';

/** For all transactions and their retries. */
const TIMEOUT_MS = 10_000;
/** Sidecars that insert at the same time deadlock; of those MySQL lets one go on and aborts the others. */
const MAX_ATTEMPTS = 10;
/** MySQL rolled a transaction back because of another one. */
const LOST_RACE = new Set(['ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT', 'ER_CHECKREAD']);
const now = sql<string>`NOW()`;

/**
 * One row per pair of IP and port, whether or not the index on that pair is unique. Times are those of the MySQL server,
 * as earlier jambonz sidecars write and compare them.
 */
export class MysqlSbcAddresses implements SbcAddresses {
  constructor(private readonly server: SqlServer) {}

  announce(addresses: readonly SbcAddress[], deadSeconds: number): Promise<void> {
    return runQuery(this.server, () => this.#announce(addresses, deadSeconds), TIMEOUT_MS);
  }

  async #announce(addresses: readonly SbcAddress[], deadSeconds: number): Promise<void> {
    // A transaction each: the deletion reads the whole table, and would lock it for all that is to be inserted.
    for (const address of addresses) await this.#transact((trx) => put(trx, address));
    await this.#transact((trx) => removeDead(trx, deadSeconds));
  }

  async #transact(work: (trx: Transaction<Tables>) => Promise<void>): Promise<void> {
    // With this isolation level `put` also locks the gap where a missing row would be.
    const transaction = this.server.db.transaction().setIsolationLevel('repeatable read');
    for (let attempt = 1; ; attempt++) {
      try {
        return await transaction.execute(work);
      } catch (error) {
        if (!hasLostRace(error) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }
}

async function put(trx: Transaction<Tables>, { ip, port, tlsPort, wssPort }: SbcAddress): Promise<void> {
  const columns = { tls_port: tlsPort ?? null, wss_port: wssPort ?? null, last_updated: now };
  // Not by the count of updated rows, which may leave out those that an update did not change.
  const existing = await trx
    .selectFrom('sbc_addresses')
    .select('sbc_address_sid')
    .where('ipv4', '=', ip)
    .where('port', '=', port)
    .limit(1)
    .forUpdate()
    .executeTakeFirst();
  if (existing)
    await trx.updateTable('sbc_addresses').set(columns).where('ipv4', '=', ip).where('port', '=', port).execute();
  else
    await trx
      .insertInto('sbc_addresses')
      .values({ sbc_address_sid: randomUUID(), ipv4: ip, port, service_provider_sid: null, ...columns })
      // For databases without locks on gaps.
      .onDuplicateKeyUpdate(columns)
      .execute();
}

async function removeDead(trx: Transaction<Tables>, deadSeconds: number): Promise<void> {
  await trx
    .deleteFrom('sbc_addresses')
    .where((eb) =>
      eb.or([
        eb('last_updated', 'is', null),
        eb('last_updated', '<', sql<string>`DATE_SUB(NOW(), INTERVAL ${deadSeconds} SECOND)`),
      ]),
    )
    .execute();
}

function hasLostRace(error: unknown): boolean {
  return error instanceof Error && 'code' in error && LOST_RACE.has(String(error.code));
}
