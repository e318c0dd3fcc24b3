import type { Logger } from '../../lib/logger.ts';
import type { Clock } from '../../lib/timers.ts';
import type { CarrierDirectory, Carriers, RegisterStatus, Trunk } from '../../ports/carriers.ts';
import { Unavailable } from '../../ports/errors.ts';

/**
 * Carriers that are remembered: what was read last serves on while the database is down, so that whoever takes over the
 * registrations then knows which.
 */
export class CachedCarriers implements CarrierDirectory {
  #last: { readonly carriers: Carriers; readonly at: number } | undefined;
  #away = false;

  constructor(
    private readonly carriers: CarrierDirectory,
    /** For how long they serve on, milliseconds. */
    private readonly staleMs: number,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async read(): Promise<Carriers> {
    try {
      const carriers = await this.carriers.read();
      this.#last = { carriers, at: this.clock.now() };
      this.#away = false;
      return carriers;
    } catch (error) {
      const last = this.#last;
      if (!(error instanceof Unavailable) || !last || this.clock.now() - last.at > this.staleMs) throw error;
      if (!this.#away) this.logger.warn({ why: error.message }, 'carriers not read, those read last serve on');
      this.#away = true;
      return last.carriers;
    }
  }

  saveRegisterStatus(carrierSid: string, status: RegisterStatus): Promise<void> {
    return this.carriers.saveRegisterStatus(carrierSid, status);
  }

  async disableRegistration(carrierSid: string, trunkType: Trunk['trunkType']): Promise<void> {
    await this.carriers.disableRegistration(carrierSid, trunkType);
    this.#forget(({ trunks, ...rest }) => ({ ...rest, trunks: trunks.filter((t) => t.carrierSid !== carrierSid) }));
  }

  async disablePing(gatewaySid: string): Promise<void> {
    await this.carriers.disablePing(gatewaySid);
    this.#forget(({ pinged, ...rest }) => ({ ...rest, pinged: pinged.filter((g) => g.gatewaySid !== gatewaySid) }));
  }

  /** What we have switched off must not come back because it was read before. */
  #forget(change: (carriers: Carriers) => Carriers): void {
    if (this.#last) this.#last = { ...this.#last, carriers: change(this.#last.carriers) };
  }
}
