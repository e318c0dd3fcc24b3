import pLimit from 'p-limit';
import type { Logger } from '../../lib/logger.ts';
import { systemTimers, type Timers } from '../../lib/timers.ts';
import type {
  CarrierDirectory,
  Carriers,
  Gateway,
  RegisterStatus,
  Trunk,
  Unregistrable,
} from '../../ports/carriers.ts';
import { Unavailable } from '../../ports/errors.ts';
import { selectCarriers, selectGateways } from './carrier-queries.ts';
import { CarrierRowError, gatewayOf, isActive, lackOfGateway, nameOf, trunkOf } from './carrier-rows.ts';
import { registerStatusJson } from './register-status.ts';
import { runQuery, type SqlServer } from './run-query.ts';

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
    private readonly reader: SqlServer,
    private readonly writer: SqlServer,
    private readonly logger: Logger,
    private readonly timers: Timers = systemTimers,
  ) {}

  async read(): Promise<Carriers> {
    const [carriers, gateways] = await runQuery(
      this.reader,
      (db) => Promise.all([selectCarriers(db), selectGateways(db)]),
      READ_TIMEOUT_MS,
      this.timers,
    );
    const byCarrier = Map.groupBy(gateways, (row) => row.voip_carrier_sid);
    const faults = new Map<string, string>();
    const trunks: Trunk[] = [];
    const pinged: Gateway[] = [];
    const unregistrable: Unregistrable[] = [];
    const switchedOff: string[] = [];
    for (const carrier of carriers) {
      const active = isActive(carrier);
      if (carrier.has_status_ok && !(active && carrier.requires_register)) switchedOff.push(carrier.voip_carrier_sid);
      if (!active) continue;
      const rows = byCarrier.get(carrier.voip_carrier_sid) ?? [];
      const names = { carrierSid: carrier.voip_carrier_sid, carrierName: nameOf(carrier) };
      const why = carrier.requires_register ? lackOfGateway(rows) : undefined;
      if (why !== undefined) unregistrable.push({ ...names, why });
      for (const row of rows) {
        if (!row.outbound || !row.is_active) continue;
        const gatewaySid = row.sip_gateway_sid;
        const gateway = row.send_options_ping ? usable(() => gatewayOf(carrier, row)) : undefined;
        const trunk = carrier.requires_register ? usable(() => trunkOf(carrier, row)) : undefined;
        for (const fault of [gateway, trunk])
          if (fault instanceof CarrierRowError) faults.set(gatewaySid, fault.message);
        if (gateway && !(gateway instanceof CarrierRowError)) pinged.push(gateway);
        if (trunk instanceof CarrierRowError) unregistrable.push({ ...names, gatewaySid, why: trunk.message });
        else if (trunk) trunks.push(trunk);
      }
    }
    this.#logNew(faults);
    const sipDomain = carriers[0]?.sip_domain_name;
    return {
      trunks,
      pinged,
      ...(unregistrable.length > 0 && { unregistrable }),
      ...(switchedOff.length > 0 && { switchedOff }),
      ...(sipDomain && { sipDomain }),
    };
  }

  saveRegisterStatus(carrierSid: string, status: RegisterStatus): Promise<void> {
    return this.#write(() =>
      this.writer.db
        .updateTable('voip_carriers')
        .set({ register_status: registerStatusJson(status) })
        .where('voip_carrier_sid', '=', carrierSid)
        .execute(),
    );
  }

  disableRegistration(carrierSid: string, trunkType: Trunk['trunkType']): Promise<void> {
    return this.#write(() =>
      this.writer.db
        .updateTable('voip_carriers')
        .set(trunkType === 'reg' ? { is_active: 0 } : { requires_register: 0 })
        .where('voip_carrier_sid', '=', carrierSid)
        .execute(),
    );
  }

  disablePing(gatewaySid: string): Promise<void> {
    return this.#write(() =>
      this.writer.db
        .updateTable('sip_gateways')
        .set({ send_options_ping: 0 })
        .where('sip_gateway_sid', '=', gatewaySid)
        .execute(),
    );
  }

  /** Waits for a free slot; skips the query when the wait has timed out. */
  async #write(query: () => Promise<unknown>): Promise<void> {
    if (this.#writes.pendingCount >= MAX_WAITING_WRITES)
      throw new Unavailable(this.writer.dependency.name, 'too many writes wait');
    let timedOut = false;
    const write = () =>
      this.#writes(async () => {
        if (!timedOut) await query();
      });
    try {
      await runQuery(this.writer, write, WRITE_TIMEOUT_MS, this.timers);
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

/** The fault of the row in place of what it makes. */
function usable<T>(read: () => T): T | CarrierRowError {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof CarrierRowError)) throw error;
    return error;
  }
}
