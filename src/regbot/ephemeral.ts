import { LatestWrites } from '../lib/latest-writes.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import type { Trunk } from '../ports/carriers.ts';
import type { EphemeralGateways } from '../ports/ephemeral-gateways.ts';

const SWEEP_MS = 1_000;
const CONCURRENCY = 4;
/** Of one trunk, those that its name no longer leads to included; the newest are kept. */
const MAX_ADDRESSES = 256;

interface Holder {
  readonly gatewaySid: string;
  readonly carrierSid: string;
  /** The name that the addresses are of. */
  readonly host: string;
  /** Address → until when it is the carrier's, milliseconds since the epoch. */
  readonly addresses: ReadonlyMap<string, number>;
}

/**
 * The addresses from which we accept a carrier's calls while a registration of trunk type `reg` lasts. Writes changes
 * to the store, retrying while it is unavailable. Several registrations of a carrier may hold one address, which is
 * removed when the last one releases it.
 */
export class EphemeralAddresses {
  readonly #holders = new Map<string, Holder>();
  readonly #carriers = new Map<string, readonly Holder[]>();
  /** `carrier address` → when it expires; undefined when it is to be removed. */
  readonly #writes: LatestWrites<number | undefined>;
  #sweep: Timer | undefined;

  constructor(
    store: EphemeralGateways,
    private readonly timers: Timers,
    logger: Logger,
  ) {
    this.#writes = new LatestWrites({
      what: 'ephemeral gateways',
      concurrency: CONCURRENCY,
      timers,
      logger,
      write: (entry, expiresAt) => {
        const [carrierSid, address] = split(entry);
        if (expiresAt === undefined) return store.remove(address, carrierSid);
        return store.set(address, carrierSid, expiresAt);
      },
    });
  }

  /**
   * Holds addresses of a trunk until its registration expires. Those that its name led to before stay until the earlier
   * registration would have expired: resolvers may answer with a few of many addresses, in turns.
   * @param expiresAt milliseconds since the epoch
   */
  hold({ gatewaySid, carrierSid, host }: Trunk, found: readonly string[], expiresAt: number): void {
    const addresses = new Map(found.map((address) => [address, expiresAt]));
    const before = this.#holders.get(gatewaySid);
    if (before?.host === host) {
      for (const [address, until] of before.addresses)
        if (!addresses.has(address) && addresses.size < MAX_ADDRESSES) addresses.set(address, until);
    }
    this.#put(gatewaySid, { gatewaySid, carrierSid, host, addresses });
    this.#sweep ??= this.timers.after(SWEEP_MS, () => this.#dropExpired());
  }

  release({ gatewaySid }: Trunk): void {
    this.#put(gatewaySid, undefined);
  }

  /** Forgets all addresses but leaves the store unchanged, for the next leader. */
  forget(): void {
    this.#holders.clear();
    this.#carriers.clear();
    this.#writes.forget();
    this.#sweep?.cancel();
    this.#sweep = undefined;
  }

  #put(gatewaySid: string, holder: Holder | undefined): void {
    const before = this.#holders.get(gatewaySid);
    if (before) this.#setSiblings(before.carrierSid, this.#siblings(before));
    if (holder) {
      this.#holders.set(gatewaySid, holder);
      this.#setSiblings(holder.carrierSid, [...this.#siblings(holder), holder]);
    } else this.#holders.delete(gatewaySid);
    const held = [before, holder].flatMap((h) => (h ? [...h.addresses.keys()].map((a) => `${h.carrierSid} ${a}`) : []));
    for (const entry of new Set(held)) this.#writes.put(entry, this.#expiryOf(entry));
  }

  #siblings({ carrierSid, gatewaySid }: Holder): readonly Holder[] {
    return (this.#carriers.get(carrierSid) ?? []).filter((h) => h.gatewaySid !== gatewaySid);
  }

  #setSiblings(carrierSid: string, holders: readonly Holder[]): void {
    if (holders.length === 0) this.#carriers.delete(carrierSid);
    else this.#carriers.set(carrierSid, holders);
  }

  /** The latest expiry among the trunks of a carrier that hold an address. */
  #expiryOf(entry: string): number | undefined {
    const [carrierSid, address] = split(entry);
    const ends = (this.#carriers.get(carrierSid) ?? []).flatMap((h) => h.addresses.get(address) ?? []);
    return ends.length === 0 ? undefined : Math.max(...ends);
  }

  #dropExpired(): void {
    const now = this.timers.now();
    for (const [gatewaySid, holder] of this.#holders) {
      const valid = [...holder.addresses].filter(([, until]) => until > now);
      if (valid.length === holder.addresses.size) continue;
      this.#put(gatewaySid, valid.length > 0 ? { ...holder, addresses: new Map(valid) } : undefined);
    }
    this.#sweep = this.#holders.size > 0 ? this.timers.after(SWEEP_MS, () => this.#dropExpired()) : undefined;
  }
}

function split(entry: string): [carrierSid: string, address: string] {
  const [carrierSid = '', address = ''] = entry.split(' ');
  return [carrierSid, address];
}
