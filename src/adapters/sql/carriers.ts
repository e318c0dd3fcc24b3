import type { Kysely } from 'kysely';
import pLimit from 'p-limit';
import type { Logger } from '../../lib/logger.ts';
import type { CarrierDirectory, Carriers, RegisterStatus, Trunk } from '../../ports/carriers.ts';
import { Unavailable } from '../../ports/errors.ts';
import { selectCarriers, selectGateways } from './carrier-queries.ts';
import { CarrierRowError, gatewayOf, trunkOf } from './carrier-rows.ts';
import { registerStatusJson } from './register-status.ts';
import { runQuery } from './run-query.ts';
import type { Tables } from './tables.ts';

const READ_TIMEOUT_MS = 10_000;
/** Includes the wait for a free slot. */
const WRITE_TIMEOUT_MS = 10_000;
/** Half of the default pool; the rest is left for REGISTER. */
const MAX_CONCURRENT_WRITES = 5;
const MAX_WAITING_WRITES = 20_000;

export class SqlCarriers implements CarrierDirectory {
  readonly #writes = pLimit(MAX_CONCURRENT_WRITES);
  /** Unusable rows of the last read: gateway sid → reason. Each is logged once. */
  #faults = new Map<string, string>();

  constructor(
    private readonly reader: Kysely<Tables>,
    private readonly writer: Kysely<Tables>,
    private readonly service: string,
    private readonly logger: Logger,
  ) {}

  async read(): Promise<Carriers> {
    const [carriers, gateways] = await runQuery(
      this.service,
      Promise.all([selectCarriers(this.reader), selectGateways(this.reader)]),
      READ_TIMEOUT_MS,
    );
    const bySid = new Map(carriers.map((carrier) => [carrier.voip_carrier_sid, carrier]));
    const faults = new Map<string, string>();
    const usable = <T>(sid: string, read: () => T): T[] => {
      try {
        return [read()];
      } catch (error) {
        if (!(error instanceof CarrierRowError)) throw error;
        faults.set(sid, error.message);
        return [];
      }
    };
    const trunks: Trunk[] = [];
    const pinged = [];
    for (const row of gateways) {
      const carrier = bySid.get(row.voip_carrier_sid);
      // Its account is inactive, or the carrier was added between the two queries.
      if (!carrier) continue;
      const sid = row.sip_gateway_sid;
      if (row.send_options_ping) pinged.push(...usable(sid, () => gatewayOf(carrier, row)));
      if (carrier.requires_register) trunks.push(...usable(sid, () => trunkOf(carrier, row)));
    }
    this.#logNew(faults);
    const sipDomain = carriers[0]?.sip_domain_name;
    return { trunks, pinged, ...(sipDomain && { sipDomain }) };
  }

  saveRegisterStatus(carrierSid: string, status: RegisterStatus): Promise<void> {
    return this.#write(() =>
      this.writer
        .updateTable('voip_carriers')
        .set({ register_status: registerStatusJson(status) })
        .where('voip_carrier_sid', '=', carrierSid)
        .execute(),
    );
  }

  disableRegistration(carrierSid: string, trunkType: Trunk['trunkType']): Promise<void> {
    return this.#write(() =>
      this.writer
        .updateTable('voip_carriers')
        .set(trunkType === 'reg' ? { is_active: 0 } : { requires_register: 0 })
        .where('voip_carrier_sid', '=', carrierSid)
        .execute(),
    );
  }

  disablePing(gatewaySid: string): Promise<void> {
    return this.#write(() =>
      this.writer
        .updateTable('sip_gateways')
        .set({ send_options_ping: 0 })
        .where('sip_gateway_sid', '=', gatewaySid)
        .execute(),
    );
  }

  /** Waits for a free slot; skips the query when the wait has timed out. */
  async #write(query: () => Promise<unknown>): Promise<void> {
    if (this.#writes.pendingCount >= MAX_WAITING_WRITES) throw new Unavailable(this.service, 'too many writes wait');
    let timedOut = false;
    const write = this.#writes(async () => {
      if (!timedOut) await query();
    });
    try {
      await runQuery(this.service, write, WRITE_TIMEOUT_MS);
    } finally {
      timedOut = true;
    }
  }

  #logNew(faults: Map<string, string>): void {
    for (const [gatewaySid, why] of faults)
      if (this.#faults.get(gatewaySid) !== why)
        this.logger.warn({ gatewaySid, why }, 'gateway left out until its row is put right');
    this.#faults = faults;
  }
}
