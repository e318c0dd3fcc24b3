export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

export const systemClock: Clock = { now: Date.now };

export interface Timer {
  /** The callback is not called any more. Harmless when it was already. */
  cancel(): void;
}

/** The time and the only way to wait for it, so that a test can make days of it. */
export interface Timers extends Clock {
  /** Milliseconds since some fixed moment; never goes back and is never set. */
  monotonic(): number;
  /** Calls back once, not earlier than after so many milliseconds, however many they are. */
  after(ms: number, callback: () => void): Timer;
}

/** The longest that setTimeout can wait; it takes anything longer for "at once". */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export class SystemTimers implements Timers {
  /** @param maxTimeoutMs longer waits are made of several timeouts */
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

  /** No closure: there is one of these for each registration. */
  #wait(): ReturnType<typeof setTimeout> {
    return setTimeout(SplitTimeout.#waited, Math.min(this.left, this.max), this);
  }

  static #waited(timeout: SplitTimeout): void {
    timeout.left -= timeout.max;
    if (timeout.left > 0) timeout.#handle = timeout.#wait();
    else timeout.callback();
  }
}
