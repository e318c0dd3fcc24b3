import { withDeadline } from '../../lib/deadline.ts';
import { LookupCache } from '../../lib/lookup-cache.ts';
import type { Timers } from '../../lib/timers.ts';
import type { OutageLog } from './outage-log.ts';
import { type Answer, lateAnswer } from './questions.ts';

/** Names of each kind; one for every trunk of a large platform, some 300 bytes each. */
const MAX_NAMES = 20_000;
/** With a TTL of 0 each of a thousand trunks would ask; one of a week would hide an unplanned move. */
const MIN_TTL_MS = 1000;
const MAX_TTL_MS = 3_600_000;
/** How long a name without records counts as such; short, for names that have just been entered. */
const NONE_TTL_MS = 10_000;
/** How long an answer outlives its TTL while the DNS fails: the usual life of a registration. */
const STALE_MS = 3_600_000;
/** Interval between questions about a name while its stale answer is served (RFC 8767 5, failure recheck timer). */
const RECHECK_MS = 30_000;
/** Wait for a new answer while a stale one is at hand (RFC 8767 5, client response timer). */
const PATIENCE_MS = 1800;

/** DNS answers, kept for their TTL and served stale while the DNS fails (RFC 8767). */
export class AnswerCache<T> {
  readonly #cache: LookupCache<readonly T[]>;

  /** @param ask has a deadline of its own */
  constructor(
    private readonly ask: (name: string) => Promise<Answer<T>>,
    timers: Timers,
    private readonly outage: OutageLog,
  ) {
    this.#cache = new LookupCache(timers, {
      service: 'DNS',
      maxNames: MAX_NAMES,
      maxUnknown: MAX_NAMES,
      recheckMs: RECHECK_MS,
      patience: (lookup, name) => withDeadline(lookup, PATIENCE_MS, () => lateAnswer(name), timers),
      onOutage: (name, { message }) => outage.failed(name, message),
    });
  }

  /** The records of a name, none if it has none. @throws Unavailable */
  get(name: string): Promise<readonly T[]> {
    return this.#cache.get(name, async () => {
      const { records, ttlMs } = await this.ask(name);
      // A name of one label is not asked of the DNS.
      if (name.includes('.')) this.outage.answered(name);
      if (records.length === 0) return { value: records, found: false, freshMs: NONE_TTL_MS, staleMs: NONE_TTL_MS };
      const freshMs = Math.min(Math.max(ttlMs, MIN_TTL_MS), MAX_TTL_MS);
      return { value: records, found: true, freshMs, staleMs: freshMs + STALE_MS };
    });
  }
}
