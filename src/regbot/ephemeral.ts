import { background } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import type { Trunk } from '../ports/carriers.ts';
import type { EphemeralGateways } from '../ports/ephemeral-gateways.ts';

const RETRY_MS = 5_000;
const SWEEP_MS = 1_000;
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
  /** `carrier address` pairs to write to the store. */
  readonly #dirty = new Set<string>();
  #writing = false;
  #retry: Timer | undefined;
  #sweep: Timer | undefined;
  /** Incremented by {@link forget}, which ends writes in progress. */
  #epoch = 0;

  constructor(
    private readonly store: EphemeralGateways,
    private readonly timers: Timers,
    private readonly logger: Logger,
  ) {}

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
    this.#write();
  }

  release({ gatewaySid }: Trunk): void {
    this.#put(gatewaySid, undefined);
    this.#write();
  }

  /** Forgets all addresses but leaves the store unchanged, for the next leader. */
  forget(): void {
    this.#epoch++;
    this.#holders.clear();
    this.#carriers.clear();
    this.#dirty.clear();
    this.#writing = false;
    this.#retry?.cancel();
    this.#sweep?.cancel();
    this.#retry = undefined;
    this.#sweep = undefined;
  }

  #put(gatewaySid: string, holder: Holder | undefined): void {
    const before = this.#holders.get(gatewaySid);
    for (const { carrierSid, addresses } of [before, holder].filter((h) => h !== undefined))
      for (const address of addresses.keys()) this.#dirty.add(`${carrierSid} ${address}`);
    if (before) this.#setSiblings(before.carrierSid, this.#siblings(before));
    if (!holder) return void this.#holders.delete(gatewaySid);
    this.#holders.set(gatewaySid, holder);
    this.#setSiblings(holder.carrierSid, [...this.#siblings(holder), holder]);
  }

  #siblings({ carrierSid, gatewaySid }: Holder): readonly Holder[] {
    return (this.#carriers.get(carrierSid) ?? []).filter((h) => h.gatewaySid !== gatewaySid);
  }

  #setSiblings(carrierSid: string, holders: readonly Holder[]): void {
    if (holders.length === 0) this.#carriers.delete(carrierSid);
    else this.#carriers.set(carrierSid, holders);
  }

  #dropExpired(): void {
    const now = this.timers.now();
    for (const [gatewaySid, holder] of this.#holders) {
      const valid = [...holder.addresses].filter(([, until]) => until > now);
      if (valid.length === holder.addresses.size) continue;
      this.#put(gatewaySid, valid.length > 0 ? { ...holder, addresses: new Map(valid) } : undefined);
    }
    this.#sweep = this.#holders.size > 0 ? this.timers.after(SWEEP_MS, () => this.#dropExpired()) : undefined;
    this.#write();
  }

  #write(): void {
    if (this.#writing || this.#retry) return;
    this.#writing = true;
    background(this.logger, 'writing of ephemeral gateways', () => this.#writeDirty(), this.timers);
  }

  /** Writes one pair at a time, so that an older state never overwrites a newer one. */
  async #writeDirty(): Promise<void> {
    const epoch = this.#epoch;
    for (const entry of this.#dirty) {
      this.#dirty.delete(entry);
      try {
        await this.#writeEntry(entry);
      } catch (error) {
        if (epoch === this.#epoch) this.#retryLater(entry);
        throw error;
      }
      if (epoch !== this.#epoch) return;
    }
    this.#writing = false;
  }

  #retryLater(entry: string): void {
    this.#writing = false;
    this.#dirty.add(entry);
    this.#retry = this.timers.after(RETRY_MS, () => {
      this.#retry = undefined;
      this.#write();
    });
  }

  #writeEntry(entry: string): Promise<void> {
    const [carrierSid = '', address = ''] = entry.split(' ');
    const ends = (this.#carriers.get(carrierSid) ?? []).flatMap((h) => h.addresses.get(address) ?? []);
    if (ends.length === 0) return this.store.remove(address, carrierSid);
    return this.store.set(address, carrierSid, Math.max(...ends));
  }
}
