import { background } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import type { CarrierDirectory, RegisterStatus } from '../ports/carriers.ts';

/** Concurrent writes; ten thousand trunks may change together. */
const CONCURRENCY = 4;

/**
 * Writes carriers' register_status. Writes for one carrier are serialized, and only the latest pending status is kept.
 * A failed write is not retried, since the next status replaces it.
 */
export class StatusWriter {
  readonly #pending = new Map<string, RegisterStatus>();
  readonly #writing = new Set<string>();

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
    } finally {
      this.#writing.delete(carrierSid);
      this.#proceed();
    }
  }
}
