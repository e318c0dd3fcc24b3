import { background } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import type { SbcAddresses } from '../ports/sbc-addresses.ts';
import { publicAddresses } from '../sip/hostports.ts';

export interface AnnouncerOptions {
  readonly addresses: SbcAddresses;
  /** What the SIP server listens on, as the outside sees it, whenever asked. */
  readonly hostports: () => string;
  readonly keepAliveMs: number;
  /** Age at which other SBCs' addresses are removed, seconds. */
  readonly deadSeconds: number;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** Keeps this SBC's public addresses among those that become DNS records. */
export class AddressAnnouncer {
  #timer: Timer | undefined;
  #announcing: Promise<void> | undefined;
  #again = false;

  constructor(private readonly options: AnnouncerOptions) {}

  /** Announces now, and from the first call on every `keepAliveMs`; call it at each connect to the SIP server. */
  connected(): Promise<void> {
    if (!this.#timer) this.#arm();
    return this.announce();
  }

  /** Announces no more. What is announced stays: DNS must not flap on a restart. Resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#announcing;
  }

  /** Announces once. Never rejects: what went wrong is logged and is tried again at the next turn. */
  announce(): Promise<void> {
    this.#again = true;
    this.#announcing ??= this.#untilCurrent();
    return this.#announcing;
  }

  /** A list that came while one was announced is announced after it. */
  async #untilCurrent(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      await this.#announce();
    }
    this.#announcing = undefined;
  }

  async #announce(): Promise<void> {
    const { addresses, hostports, deadSeconds, logger } = this.options;
    try {
      const listed = hostports();
      if (listed === '') return;
      const ours = publicAddresses(listed);
      await addresses.announce(ours, deadSeconds);
      logger.debug({ addresses: ours }, 'public addresses announced');
    } catch (error) {
      logger.warn({ why: String(error) }, 'public addresses not announced, trying again later');
    }
  }

  #arm(): void {
    this.#timer = this.options.timers.after(this.options.keepAliveMs, () => {
      this.#arm();
      background(this.options.logger, 'announcing of public addresses', () => this.announce());
    });
  }
}
