import { MAX_REQUESTS_OVER_CONNECTIONS, MAX_REQUESTS_PER_CONNECTION } from '../limits.ts';

const SHARE = MAX_REQUESTS_PER_CONNECTION / MAX_REQUESTS_OVER_CONNECTIONS;

/**
 * The number of unanswered requests at which reading from a connection pauses: a fixed share of the free places, as in
 * switches (Choudhury and Hahne, "Dynamic Queue Length Thresholds"). A single flood gets most of its limit, a hundred
 * get a few places each, and a new connection always gets one. One for all transports of an edge.
 */
export class FairShare {
  #held = 0;

  get underWay(): number {
    return this.#held;
  }

  hold(): void {
    this.#held++;
  }

  release(): void {
    this.#held--;
  }

  /** At least one, so that every connection makes progress. */
  get each(): number {
    return Math.max(1, Math.floor((MAX_REQUESTS_OVER_CONNECTIONS - this.#held) * SHARE));
  }
}
