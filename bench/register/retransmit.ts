/** A request in flight, as the timer lists keep it; the links are theirs. */
export interface Waiting<T> {
  /** How often it has been retransmitted; -1: no request is in flight. */
  stage: number;
  dueAt: number;
  previous: T | undefined;
  next: T | undefined;
}

/**
 * Milliseconds between transmissions over UDP: timer E of RFC 3261 17.1.2.2, T1 = 500 ms doubled up to T2 = 4 s. The
 * last delay ends when timer F fires, 64 T1 = 32 s after the first transmission.
 */
export const DELAYS_MS = [500, 1000, 2000, 4000, 4000, 4000, 4000, 4000, 4000, 4000, 500] as const;

/**
 * The retransmission timers of all requests in flight. Every stage has a constant delay, so its requests fall due in the
 * order in which they entered it: one linked list per stage, nothing to sort, nothing allocated per request.
 * Times are milliseconds on the caller's clock.
 */
export class RetransmissionTimers<T extends Waiting<T>> {
  readonly #heads: (T | undefined)[] = DELAYS_MS.map(() => undefined);
  readonly #tails: (T | undefined)[] = DELAYS_MS.map(() => undefined);

  start(request: T, now: number): void {
    this.stop(request);
    this.#append(request, 0, now);
  }

  /** Stops the timers of a request; without effect when they do not run. */
  stop(request: T): void {
    const { stage, previous, next } = request;
    if (stage < 0) return;
    if (previous) previous.next = next;
    else this.#heads[stage] = next;
    if (next) next.previous = previous;
    else this.#tails[stage] = previous;
    request.stage = -1;
    request.previous = undefined;
    request.next = undefined;
  }

  /** Calls `resend` for each request whose timer E has fired and `giveUp` for each whose timer F has. */
  expire(now: number, resend: (request: T) => void, giveUp: (request: T) => void): void {
    for (let stage = DELAYS_MS.length - 1; stage >= 0; stage--) {
      for (let head = this.#heads[stage]; head && head.dueAt <= now; head = this.#heads[stage]) {
        const dueAt = head.dueAt;
        this.stop(head);
        if (stage + 1 < DELAYS_MS.length) {
          this.#append(head, stage + 1, dueAt);
          resend(head);
        } else {
          giveUp(head);
        }
      }
    }
  }

  #append(request: T, stage: number, from: number): void {
    const tail = this.#tails[stage];
    request.stage = stage;
    request.dueAt = from + (DELAYS_MS[stage] ?? 0);
    request.previous = tail;
    if (tail) tail.next = request;
    else this.#heads[stage] = request;
    this.#tails[stage] = request;
  }
}
