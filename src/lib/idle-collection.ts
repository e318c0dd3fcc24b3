import type { Timer, Timers } from './timers.ts';

const CHECK_MS = 5000;
/** Of one core. A sidecar that nobody asks anything takes 1 %, one that forgets what a rush has asked 2 %. */
const QUIET_SHARE = 0.05;
/** Longer than the 32 s for which the edge remembers what it has answered. */
const QUIET_CHECKS = 8;

export interface IdleCollectionOptions {
  readonly timers: Timers;
  /** The time that the process has spent on a CPU so far, milliseconds. */
  readonly cpuMs: () => number;
  /** Collects all garbage, and returns when it has. */
  readonly collect: () => void;
}

/**
 * Gives memory back once the rush is over. The engine collects garbage as the program makes more of it, so what the last
 * rush has left behind would stay until the next one. Collected is once in each lull, when it keeps nobody waiting.
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
    // Read anew: the collection is no sign of a rush.
    this.#cpuMs = cpuMs();
  }
}
