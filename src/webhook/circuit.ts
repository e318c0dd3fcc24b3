import {
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhenResult,
  type IBackoff,
} from 'cockatiel';
import type { Timers } from '../lib/timers.ts';

/** In a row; fewer may be lost packets. */
const MAX_FAILURES = 5;
/** Time from a failure to the next probe. The Retry-After of refused phones is as long. */
const PAUSE_MS = 5_000;

export interface CircuitEvents {
  readonly onOpened: () => void;
  /** @param outageMs time since the circuit opened */
  readonly onClosed: (outageMs: number) => void;
}

/**
 * Refuses calls to a service that is down. It opens after five failures in a row; from then on one call in 5 s goes through
 * as a probe, and the first that succeeds closes it.
 */
export class Circuit {
  readonly #policy: CircuitBreakerPolicy;
  /** Both by the monotonic clock. */
  #openedAt: number | undefined;
  #nextProbeAt = 0;

  constructor(
    private readonly timers: Timers,
    { onOpened, onClosed }: CircuitEvents,
  ) {
    // cockatiel reckons its pause by the time of day, which may change. It gets none, and `refuses` keeps ours.
    const pause: IBackoff<unknown> = {
      duration: Number.NEGATIVE_INFINITY,
      next: () => {
        this.#nextProbeAt = timers.monotonic() + PAUSE_MS;
        return pause;
      },
    };
    const breaker = new ConsecutiveBreaker(MAX_FAILURES);
    this.#policy = circuitBreaker(
      handleWhenResult((failed) => failed === true),
      { halfOpenAfter: pause, breaker },
    );
    this.#policy.onBreak(() => {
      if (this.#openedAt !== undefined) return; // A probe has failed.
      this.#openedAt = timers.monotonic();
      onOpened();
    });
    this.#policy.onReset(() => {
      const openedAt = this.#openedAt ?? timers.monotonic();
      this.#openedAt = undefined;
      onClosed(timers.monotonic() - openedAt);
    });
  }

  /** Whether the service is down: from the last of the failures until a probe has succeeded. */
  get isOpen(): boolean {
    return this.#openedAt !== undefined;
  }

  /** Whether a call made now is refused. False while the circuit is open and the next probe is due. */
  get refuses(): boolean {
    // cockatiel would let calls wait for the end of a probe.
    const { state } = this.#policy;
    if (state === CircuitState.HalfOpen) return true;
    return state === CircuitState.Open && this.timers.monotonic() < this.#nextProbeAt;
  }

  /**
   * Makes a call, which must end.
   * @param hasFailed whether a result means that the service is down
   * @returns undefined when the call is refused
   */
  async run<T>(call: () => Promise<T>, hasFailed: (result: T) => boolean): Promise<T | undefined> {
    if (this.refuses) return undefined;
    let result: T | undefined;
    await this.#policy.execute(async () => {
      result = await call();
      return hasFailed(result);
    });
    return result;
  }
}
