import type { Kysely } from 'kysely';
import pLimit from 'p-limit';
import type { Logger } from '../../lib/logger.ts';
import type { CarrierDirectory, Carriers, RegisterStatus, Trunk } from '../../ports/carriers.ts';
import { Unavailable } from '../../ports/errors.ts';
import { answer } from './answer.ts';
import { carriersOf, gatewaysOf } from './carrier-queries.ts';
import { CarrierRowError, gatewayOf, trunkOf } from './carrier-rows.ts';
import { registerStatusJson } from './register-status.ts';
import type { Tables } from './tables.ts';

/** All carriers at once; ten thousand take MySQL a fraction of it. Milliseconds. */
const READ_TIMEOUT_MS = 10_000;
/** From the call to its end, waiting for its turn included, milliseconds. */
const WRITE_TIMEOUT_MS = 10_000;
/** Writes at a time: half of a pool as it is by default, the rest is for phones that wait. */
const WRITES_AT_A_TIME = 5;
/** More than that many cannot have their turn in time. */
const MAX_WAITING_WRITES = 20_000;

/** Carriers and gateways in the platform's tables, on MySQL or SQLite. */
export class SqlCarriers implements CarrierDirectory {
  readonly #turns = pLimit(WRITES_AT_A_TIME);
  /** What was wrong with which row at the last read, so that each is said once. As many as there are such rows. */
  #faults = new Map<string, string>();

  constructor(
    private readonly reader: Kysely<Tables>,
    private readonly writer: Kysely<Tables>,
    /** 'MySQL' or 'SQLite', for people. */
    private readonly service: string,
    private readonly logger: Logger,
  ) {}

  async read(): Promise<Carriers> {
    const [carriers, gateways] = await answer(
      this.service,
      Promise.all([carriersOf(this.reader), gatewaysOf(this.reader)]),
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
      // Its account is not active, or it has come between the two queries.
      if (!carrier) continue;
      const sid = row.sip_gateway_sid;
      if (row.send_options_ping) pinged.push(...usable(sid, () => gatewayOf(carrier, row)));
      if (carrier.requires_register) trunks.push(...usable(sid, () => trunkOf(carrier, row)));
    }
    this.#complain(faults);
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

  /** In its turn, unless that comes too late. */
  async #write(query: () => Promise<unknown>): Promise<void> {
    if (this.#turns.pendingCount >= MAX_WAITING_WRITES) throw new Unavailable(this.service, 'too many writes wait');
    let givenUp = false;
    const turn = this.#turns(async () => {
      if (!givenUp) await query();
    });
    try {
      await answer(this.service, turn, WRITE_TIMEOUT_MS);
    } finally {
      givenUp = true;
    }
  }

  #complain(faults: Map<string, string>): void {
    for (const [gatewaySid, why] of faults)
      if (this.#faults.get(gatewaySid) !== why)
        this.logger.warn({ gatewaySid, why }, 'gateway left out until its row is put right');
    this.#faults = faults;
  }
}
