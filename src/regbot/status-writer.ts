import { background } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import type { CarrierDirectory, RegisterStatus } from '../ports/carriers.ts';
import { Unavailable } from '../ports/errors.ts';

/** Concurrent writes; ten thousand trunks may change together. */
const CONCURRENCY = 4;

/**
 * Writes carriers' register_status. Writes for one carrier are serialized, and only the latest pending status is kept.
 * A failed write is not retried, since the next status replaces it. An outage is logged once at its start and at its
 * end.
 */
export class StatusWriter {
  readonly #pending = new Map<string, RegisterStatus>();
  readonly #writing = new Set<string>();
  #failing = false;

  constructor(
    private readonly directory: Pick<CarrierDirectory, 'saveRegisterStatus'>,
    private readonly logger: Logger,
  ) {}

  write(carrierSid: string, status: RegisterStatus): void {
    this.#pending.set(carrierSid, status);
    this.#proceed();
  }

  /** Drops pending writes. */
  forget(): void {
    this.#pending.clear();
  }

  #proceed(): void {
    for (const [carrierSid, status] of this.#pending) {
      if (this.#writing.size === CONCURRENCY) return;
      if (this.#writing.has(carrierSid)) continue;
      this.#pending.delete(carrierSid);
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
