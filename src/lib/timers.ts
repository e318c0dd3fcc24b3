export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

export const systemClock: Clock = { now: Date.now };

export interface Timer {
  /** Prevents the callback. Does nothing after it was called. */
  cancel(): void;
}

/** The time, and a way to wait. Rules take it as a parameter, so that tests can pass days in milliseconds. */
export interface Timers extends Clock {
  /** Milliseconds since a fixed moment; never goes back, and no one sets it. */
  monotonic(): number;
  /** Calls `callback` once, after at least `ms` milliseconds. There is no upper limit. */
  after(ms: number, callback: () => void): Timer;
}

/** The longest delay of setTimeout, which treats a longer one as 1 ms. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export class SystemTimers implements Timers {
  /** @param maxTimeoutMs longer waits consist of several timeouts */
  constructor(private readonly maxTimeoutMs = MAX_TIMEOUT_MS) {}

  now(): number {
    return Date.now();
  }

  monotonic(): number {
    return performance.now();
  }

  after(ms: number, callback: () => void): Timer {
    return new SplitTimeout(Math.max(ms, 0), this.maxTimeoutMs, callback);
  }
}

export const systemTimers: Timers = new SystemTimers();

/** Resolves after `ms` milliseconds, or as soon as the signal is aborted. */
export function sleep(ms: number, timers: Timers, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = timers.after(ms, done);
    signal?.addEventListener('abort', done);
  });
}

class SplitTimeout implements Timer {
  #handle: ReturnType<typeof setTimeout>;

  constructor(
    private left: number,
    private readonly max: number,
    private readonly callback: () => void,
  ) {
    this.#handle = this.#wait();
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }

  /** Without a closure, to save memory: each registration has one of these. */
  #wait(): ReturnType<typeof setTimeout> {
    return setTimeout(SplitTimeout.#waited, Math.min(this.left, this.max), this);
  }

  static #waited(timeout: SplitTimeout): void {
    timeout.left -= timeout.max;
    if (timeout.left > 0) timeout.#handle = timeout.#wait();
    else timeout.callback();
  }
}
