import type { Timers } from '../lib/timers.ts';
import type { NextHop } from '../sip/next-hop.ts';

/** How long a failed target is tried after the others, unless its Retry-After says otherwise. */
const AVOID_MS = 300_000;
const MAX_AVOID_MS = 3_600_000;
/** Beyond this the oldest is forgotten, which costs one timeout. */
const MAX_AVOIDED = 1000;

/**
 * Targets that failed recently, shared by all trunks, so that a refresh does not wait for a dead server (RFC 3263 4.3).
 */
export class AvoidedTargets {
  readonly #until = new Map<string, number>();

  constructor(private readonly timers: Timers) {}

  /** @param retryAfter seconds, from its response */
  avoid(hop: NextHop, retryAfter?: number): void {
    const ms = retryAfter === undefined ? AVOID_MS : Math.min(retryAfter * 1000, MAX_AVOID_MS);
    const key = hopKey(hop);
    this.#until.delete(key);
    this.#until.set(key, this.timers.monotonic() + ms);
    if (this.#until.size > MAX_AVOIDED) for (const oldest of this.#until.keys()) return void this.#until.delete(oldest);
  }

  /**
   * Moves the targets to be avoided to the end, and within both parts the holder of a binding to the front, in otherwise
   * unchanged order.
   */
  order(hops: readonly NextHop[], holder?: NextHop): readonly NextHop[] {
    const now = this.timers.monotonic();
    const key = holder && hopKey(holder);
    const rank = (hop: NextHop) => {
      const isAvoided = (this.#until.get(hopKey(hop)) ?? 0) > now;
      return (isAvoided ? 2 : 0) + (hopKey(hop) === key ? 0 : 1);
    };
    return hops.toSorted((a, b) => rank(a) - rank(b));
  }
}

export function hopKey({ transport, address, port }: NextHop): string {
  return `${transport}/${address}:${port}`;
}
