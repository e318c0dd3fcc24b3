import { MAX_CONNECTIONS, MAX_CONNECTIONS_PER_SOURCE } from '../limits.ts';

/** The bounds of connections; those of limits.ts unless told otherwise. */
export interface ConnectionLimits {
  readonly connections?: number;
  readonly perSource?: number;
  /** Whether loopback, where neighbours live, is free of the bound per source. */
  readonly loopbackExempt?: boolean;
}

/** How many connections there are, in all and accepted from each address: one count for all transports of an edge. */
export class ConnectionCount {
  #all = 0;
  readonly #bySource = new Map<string, number>();
  readonly #limit: number;
  readonly #perSource: number;
  readonly #loopbackExempt: boolean;

  constructor(limits: ConnectionLimits = {}) {
    this.#limit = limits.connections ?? MAX_CONNECTIONS;
    this.#perSource = limits.perSource ?? MAX_CONNECTIONS_PER_SOURCE;
    this.#loopbackExempt = limits.loopbackExempt ?? true;
  }

  get all(): number {
    return this.#all;
  }

  /** Counts a connection that we open. Why there may be none more; undefined when there may. */
  opened(): string | undefined {
    if (this.#all >= this.#limit) return 'too many connections';
    this.#all++;
    return undefined;
  }

  /** Counts a connection from there. Why nobody more may come from there; undefined when one may. */
  accepted(address: string): string | undefined {
    const there = this.#bySource.get(address) ?? 0;
    const exempt = this.#loopbackExempt && isLoopback(address);
    if (!exempt && there >= this.#perSource) return 'too many connections from there';
    const refusal = this.opened();
    if (refusal === undefined) this.#bySource.set(address, there + 1);
    return refusal;
  }

  /** Takes back what {@link opened} has counted or, with an address, {@link accepted}. */
  ended(address?: string): void {
    this.#all--;
    if (address === undefined) return;
    const left = (this.#bySource.get(address) ?? 1) - 1;
    if (left > 0) this.#bySource.set(address, left);
    else this.#bySource.delete(address);
  }
}

export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
