import { background } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import type { CarrierDirectory, RegisterStatus } from '../ports/carriers.ts';
import { Unavailable } from '../ports/errors.ts';

/** Statuses on their way to the database at a time: ten thousand trunks may change together. */
const CONCURRENCY = 4;

/**
 * Writes carriers' register_status. Of a carrier only the last one that waits is written, and never two at a time. One
 * that could not be written is left: the next one will do. An outage is a line at its start and one at its end.
 */
export class StatusWriter {
  readonly #waiting = new Map<string, RegisterStatus>();
  readonly #writing = new Set<string>();
  /** The last write failed. */
  #failing = false;

  constructor(
    private readonly directory: Pick<CarrierDirectory, 'saveRegisterStatus'>,
    private readonly logger: Logger,
  ) {}

  write(carrierSid: string, status: RegisterStatus): void {
    this.#waiting.set(carrierSid, status);
    this.#proceed();
  }

  /** Drops what still waits. */
  forget(): void {
    this.#waiting.clear();
  }

  #proceed(): void {
    for (const [carrierSid, status] of this.#waiting) {
      if (this.#writing.size === CONCURRENCY) return;
      if (this.#writing.has(carrierSid)) continue;
      this.#waiting.delete(carrierSid);
      this.#writing.add(carrierSid);
      background(this.logger, 'saving of register_status', () => this.#save(carrierSid, status));
    }
  }

  async #save(carrierSid: string, status: RegisterStatus): Promise<void> {
    try {
      await this.directory.saveRegisterStatus(carrierSid, status);
      if (this.#failing) this.logger.info({}, 'register_status is saved again');
      this.#failing = false;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      this.logger[this.#failing ? 'debug' : 'warn']({ why: error.message, carrierSid }, 'register_status not saved');
      this.#failing = true;
    } finally {
      this.#writing.delete(carrierSid);
      this.#proceed();
    }
  }
}
