import type { Timers } from '../lib/timers.ts';
import type { NextHop } from '../sip/next-hop.ts';

/** So long a target that did not answer is tried after the others; its Retry-After may say longer, or shorter. */
const AVOID_MS = 300_000;
const MAX_AVOID_MS = 3_600_000;
/** Targets remembered; beyond it the oldest is forgotten, which costs one timeout. */
const MAX_AVOIDED = 1000;

/** Targets that failed of late, for all trunks: a refresh does not wait for a dead server each time (RFC 3263 4.3). */
export class AvoidedTargets {
  readonly #until = new Map<string, number>();

  constructor(private readonly timers: Timers) {}

  /** @param retryAfter seconds, when it said so */
  avoid(hop: NextHop, retryAfter?: number): void {
    const ms = retryAfter === undefined ? AVOID_MS : Math.min(retryAfter * 1000, MAX_AVOID_MS);
    const key = nameOf(hop);
    this.#until.delete(key);
    this.#until.set(key, this.timers.monotonic() + ms);
    if (this.#until.size > MAX_AVOIDED) for (const oldest of this.#until.keys()) return void this.#until.delete(oldest);
  }

  /** The same targets, those to be avoided last; the order is kept besides. */
  order(hops: readonly NextHop[]): readonly NextHop[] {
    if (this.#until.size === 0) return hops;
    const now = this.timers.monotonic();
    const avoided = (hop: NextHop) => (this.#until.get(nameOf(hop)) ?? 0) > now;
    return [...hops.filter((hop) => !avoided(hop)), ...hops.filter(avoided)];
  }
}

/** One text for one target. */
export function nameOf({ transport, address, port }: NextHop): string {
  return `${transport}/${address}:${port}`;
}
