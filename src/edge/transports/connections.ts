import { isLoopback, networkOf } from '../../sip/ip.ts';
import { MAX_CONNECTIONS, MAX_CONNECTIONS_PER_SOURCE } from '../limits.ts';

/** Values that replace those of limits.ts. */
export interface ConnectionLimits {
  readonly connections?: number;
  readonly perSource?: number;
  /** Sources without the limit per source; loopback by default. */
  readonly exempt?: (address: string) => boolean;
}

/** The number of connections, in all and per source: one count for all transports of an edge. */
export class ConnectionCount {
  #all = 0;
  readonly #bySource = new Map<string, number>();
  readonly #limit: number;
  readonly #perSource: number;
  readonly #exempt: (address: string) => boolean;

  constructor(limits: ConnectionLimits = {}) {
    this.#limit = limits.connections ?? MAX_CONNECTIONS;
    this.#perSource = limits.perSource ?? MAX_CONNECTIONS_PER_SOURCE;
    this.#exempt = limits.exempt ?? isLoopback;
  }

  get all(): number {
    return this.#all;
  }

  /** Whether a client of a network has a connection. */
  isFrom(network: string): boolean {
    return this.#bySource.has(network);
  }

  /** Counts a connection that we open; returns the reason when it is over the limit. */
  opened(): string | undefined {
    if (this.#all >= this.#limit) return 'too many connections';
    this.#all++;
    return undefined;
  }

  /** The same for a connection that a client opened or, for a response, made us open. */
  accepted(address: string): string | undefined {
    const source = networkOf(address);
    const there = this.#bySource.get(source) ?? 0;
    if (there >= this.#perSource && !this.#exempt(address)) return 'too many connections from there';
    const refusal = this.opened();
    if (refusal === undefined) this.#bySource.set(source, there + 1);
    return refusal;
  }

  /** Undoes {@link opened} or, with an address, {@link accepted}. */
  ended(address?: string): void {
    this.#all--;
    if (address === undefined) return;
    const source = networkOf(address);
    const left = (this.#bySource.get(source) ?? 1) - 1;
    if (left > 0) this.#bySource.set(source, left);
    else this.#bySource.delete(source);
  }
}
