import { turn } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import type { SbcAddresses } from '../ports/sbc-addresses.ts';
import { publicAddresses } from '../sip/hostports.ts';

export interface AnnouncerOptions {
  readonly addresses: SbcAddresses;
  /** What the SIP server currently listens on, as seen from outside; '' while unknown. */
  readonly hostports: () => string;
  readonly keepAliveMs: number;
  /** Age at which addresses of other SBCs are removed. */
  readonly deadSeconds: number;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** Its name in the log. */
const ANNOUNCING = 'announcing of public addresses';

/** Keeps this SBC's public addresses in the table from which DNS records are made. */
export class AddressAnnouncer {
  #timer: Timer | undefined;
  #announcing: Promise<void> | undefined;
  #again = false;

  constructor(private readonly options: AnnouncerOptions) {}

  /** Call after each connect to the SIP server. Announces now, and every `keepAliveMs` from the first call on. */
  connected(): Promise<void> {
    if (!this.#timer) this.#arm();
    return this.announce();
  }

  /** Stops after the announcement in progress. The addresses stay, so that DNS does not flap on a restart. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#announcing;
  }

  /** Announces once. Never rejects: a failure is logged, and the next interval tries again. */
  announce(): Promise<void> {
    this.#again = true;
    this.#announcing ??= this.#untilCurrent();
    return this.#announcing;
  }

  async #untilCurrent(): Promise<void> {
    const { logger, timers } = this.options;
    while (this.#again) {
      this.#again = false;
      await turn(logger, ANNOUNCING, () => this.#announce(), timers);
    }
    this.#announcing = undefined;
  }

  async #announce(): Promise<void> {
    const { addresses, hostports, deadSeconds, logger } = this.options;
    const listening = hostports();
    if (listening === '') return;
    const ours = publicAddresses(listening);
    await addresses.announce(ours, deadSeconds);
    logger.debug({ addresses: ours }, 'public addresses announced');
  }

  #arm(): void {
    const { timers, keepAliveMs } = this.options;
    this.#timer = timers.after(keepAliveMs, () => {
      this.#arm();
      void this.announce();
    });
  }
}
