/** A time during which a Redis server acknowledged writes that its successor did not get; performance.now(), ms. */
export interface Interval {
  readonly from: number;
  readonly until: number;
}

/** A REGISTER of a phone that has ended. */
export interface Attempt {
  /** The Contact URI that the phone wanted to be bound; undefined: none. */
  readonly wanted: string | undefined;
  readonly sentAt: number;
  readonly endedAt: number;
  /** Answered 200. Otherwise it may have taken effect or not. */
  readonly granted: boolean;
}

export type Verdict = 'kept' | 'lost' | 'lost by Redis';

/**
 * Judges what is stored for an AOR whose phone has no request in flight. The state that its last 200 confirmed is right, and
 * so is any that a request after it asked for. An earlier state is a loss; it is a loss by Redis when each 200 that is
 * missing was given in a time when Redis acknowledged writes that it lost in a failover.
 * @param history in order @param stored the Contact URI; undefined: none
 */
export function judge(history: readonly Attempt[], stored: string | undefined, lossy: readonly Interval[]): Verdict {
  let verdict: Verdict = 'kept';
  for (const attempt of history.toReversed()) {
    if (attempt.wanted === stored) return verdict;
    if (!attempt.granted) continue;
    if (!lossy.some(({ from, until }) => attempt.sentAt <= until && attempt.endedAt >= from)) return 'lost';
    verdict = 'lost by Redis';
  }
  return stored === undefined ? verdict : 'lost';
}
