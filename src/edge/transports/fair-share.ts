import { MAX_REQUESTS_OVER_CONNECTIONS, MAX_REQUESTS_PER_CONNECTION } from '../limits.ts';

const SHARE = MAX_REQUESTS_PER_CONNECTION / MAX_REQUESTS_OVER_CONNECTIONS;

/**
 * How many requests a connection may have under way before it is read no further: a fixed share of what is left, as
 * switches divide their buffers among ports (Choudhury and Hahne, "Dynamic Queue Length Thresholds"). One that floods us
 * alone gets most of its bound; a hundred get a few each, and there is always something left for whoever comes next.
 * One for all transports of an edge.
 */
export class FairShare {
  #held = 0;

  /** Of all connections. */
  get underWay(): number {
    return this.#held;
  }

  hold(): void {
    this.#held++;
  }

  release(): void {
    this.#held--;
  }

  /** At least one, or who waits for its turn would never get it. */
  get each(): number {
    return Math.max(1, Math.floor((MAX_REQUESTS_OVER_CONNECTIONS - this.#held) * SHARE));
  }
}
