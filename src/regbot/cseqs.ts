import type { Clock } from '../lib/timers.ts';

/**
 * CSeq must rise within a Call-ID, also across restarts (RFC 3261 10.2). It is at least the number of seconds since
 * this time, which stays below 2^31 until 2093.
 */
const EPOCH_MS = Date.UTC(2025, 0, 1);
/** Beyond this the Call-ID used longest ago is forgotten; its CSeq has been caught up by the seconds. */
const MAX_CALL_IDS = 50_000;

/** The CSeq numbers of our registrations, also of those that ended and begin again. */
export class Cseqs {
  readonly #last = new Map<string, number>();

  constructor(private readonly clock: Clock) {}

  next(callId: string): number {
    const seconds = Math.floor((this.clock.now() - EPOCH_MS) / 1000);
    const cseq = Math.max((this.#last.get(callId) ?? 0) + 1, seconds);
    this.#last.delete(callId);
    this.#last.set(callId, cseq);
    const [oldest] = this.#last.keys();
    if (this.#last.size > MAX_CALL_IDS && oldest !== undefined) this.#last.delete(oldest);
    return cseq;
  }
}
