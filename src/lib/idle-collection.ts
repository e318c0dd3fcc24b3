import type { Timer, Timers } from './timers.ts';

const CHECK_MS = 5000;
/** Of one core. An idle sidecar takes 1 %, and 2 % while its caches expire after a busy period. */
const QUIET_SHARE = 0.05;
/** In a row. Longer than the 32 s for which the edge remembers what it has answered. */
const QUIET_CHECKS = 8;

export interface IdleCollectionOptions {
  readonly timers: Timers;
  /** CPU time of the process so far, milliseconds. */
  readonly cpuMs: () => number;
  /** Collects all garbage, synchronously. */
  readonly collect: () => void;
}

/**
 * Runs one full collection per quiet period. The engine collects as the program allocates, so the garbage of a busy
 * period would stay until the next one.
 */
export class IdleCollection {
  #timer: Timer | undefined;
  #cpuMs = 0;
  #quietChecks = 0;

  constructor(private readonly options: IdleCollectionOptions) {}

  start(): void {
    this.#cpuMs = this.options.cpuMs();
    this.#wait();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #wait(): void {
    this.#timer = this.options.timers.after(CHECK_MS, () => {
      this.#check();
      this.#wait();
    });
  }

  #check(): void {
    const { cpuMs, collect } = this.options;
    const spent = cpuMs() - this.#cpuMs;
    this.#quietChecks = spent < CHECK_MS * QUIET_SHARE ? this.#quietChecks + 1 : 0;
    if (this.#quietChecks === QUIET_CHECKS) collect();
    // Read again, so that the collection does not count as activity.
    this.#cpuMs = cpuMs();
  }
}
