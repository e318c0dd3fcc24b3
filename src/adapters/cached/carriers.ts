import type { Logger } from '../../lib/logger.ts';
import type { Clock } from '../../lib/timers.ts';
import type { CarrierDirectory, Carriers, RegisterStatus, Trunk } from '../../ports/carriers.ts';
import { DependencyError } from '../../ports/errors.ts';

/**
 * Serves the carriers read last while the database is down, so that a sidecar that takes over the registrations meanwhile
 * knows which to keep.
 */
export class CachedCarriers implements CarrierDirectory {
  #last: { readonly carriers: Carriers; readonly at: number } | undefined;
  #isDown = false;

  constructor(
    private readonly carriers: CarrierDirectory,
    /** How long they are served, counted from when they were read, milliseconds. */
    private readonly staleMs: number,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async read(): Promise<Carriers> {
    try {
      const carriers = await this.carriers.read();
      this.#last = { carriers, at: this.clock.now() };
      this.#isDown = false;
      return carriers;
    } catch (error) {
      const last = this.#last;
      if (!(error instanceof DependencyError) || !last || this.clock.now() - last.at > this.staleMs) throw error;
      if (!this.#isDown) this.logger.warn({ why: error.message }, 'carriers not read, those read last serve on');
      this.#isDown = true;
      return last.carriers;
    }
  }

  saveRegisterStatus(carrierSid: string, status: RegisterStatus): Promise<void> {
    return this.carriers.saveRegisterStatus(carrierSid, status);
  }

  async disableRegistration(carrierSid: string, trunkType: Trunk['trunkType']): Promise<void> {
    await this.carriers.disableRegistration(carrierSid, trunkType);
    const isOther = (one: { readonly carrierSid: string }) => one.carrierSid !== carrierSid;
    this.#update(({ trunks, unregistrable, ...rest }) => ({
      ...rest,
      trunks: trunks.filter(isOther),
      ...(unregistrable && { unregistrable: unregistrable.filter(isOther) }),
    }));
  }

  async disablePing(gatewaySid: string): Promise<void> {
    await this.carriers.disablePing(gatewaySid);
    this.#update(({ pinged, ...rest }) => ({ ...rest, pinged: pinged.filter((g) => g.gatewaySid !== gatewaySid) }));
  }

  /** Keeps what was switched off from coming back out of the cache. */
  #update(change: (carriers: Carriers) => Carriers): void {
    if (this.#last) this.#last = { ...this.#last, carriers: change(this.#last.carriers) };
  }
}
