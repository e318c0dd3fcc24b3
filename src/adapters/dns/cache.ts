import { LRUCache } from 'lru-cache';
import { withDeadline } from '../../lib/deadline.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Timers } from '../../lib/timers.ts';
import { Unavailable } from '../../ports/errors.ts';
import { type Answer, lateAnswer } from './questions.ts';

/** Names of each kind; one for every trunk of a large platform, some 300 bytes each. */
const MAX_NAMES = 20_000;
/** A TTL of 0 would make each of a thousand trunks ask; one of a week would hide an unplanned move. */
const MIN_TTL_MS = 1000;
const MAX_TTL_MS = 3_600_000;
/** For how long "there is none" is believed: a name that a person has just entered should be found soon. */
const NONE_TTL_MS = 10_000;
/** For how long an expired answer is used while the DNS does not answer: as long as a registration usually lives. */
const STALE_MS = 3_600_000;
/** How often the DNS is asked meanwhile (RFC 8767 5, failure recheck timer). */
const RECHECK_MS = 30_000;
/** How long a caller waits for a new answer when there is an expired one (RFC 8767 5, client response timer). */
const PATIENCE_MS = 1800;

interface Entry<T> {
  readonly records: readonly T[];
  readonly freshUntil: number;
  readonly staleUntil: number;
  /** Whether the DNS failed to answer when it was asked again. */
  readonly failing: boolean;
}

/** Answers of the DNS: used for their TTL, and longer while the DNS does not answer (RFC 8767). */
export class AnswerCache<T> {
  readonly #entries = new LRUCache<string, Entry<T>>({ max: MAX_NAMES });
  /** Questions under way, shared by all who ask the same. */
  readonly #asking = new Map<string, Promise<readonly T[]>>();

  /** @param ask has a deadline of its own */
  constructor(
    private readonly ask: (name: string) => Promise<Answer<T>>,
    private readonly timers: Timers,
    private readonly logger: Logger,
  ) {}

  /** The records of a name, none if it has none. @throws Unavailable */
  async get(name: string): Promise<readonly T[]> {
    const entry = this.#entries.get(name);
    const now = this.timers.now();
    if (entry && now < entry.freshUntil) return entry.records;
    const asking = this.#asking.get(name) ?? this.#begin(name);
    if (!entry || now >= entry.staleUntil) return asking;
    try {
      return await withDeadline(asking, PATIENCE_MS, () => lateAnswer(name), this.timers);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      return this.#serveOn(name, entry, error);
    }
  }

  #begin(name: string): Promise<readonly T[]> {
    if (this.#asking.size >= MAX_NAMES) throw new Unavailable('DNS', 'too many questions are open');
    const answer = this.#ask(name).finally(() => this.#asking.delete(name));
    this.#asking.set(name, answer);
    return answer;
  }

  async #ask(name: string): Promise<readonly T[]> {
    const { records, ttlMs } = await this.ask(name);
    const now = this.timers.now();
    const freshMs = records.length > 0 ? Math.min(Math.max(ttlMs, MIN_TTL_MS), MAX_TTL_MS) : NONE_TTL_MS;
    // "There is none" is not worth keeping beyond that.
    const staleMs = records.length > 0 ? freshMs + STALE_MS : freshMs;
    if (this.#entries.get(name)?.failing) this.logger.info({ name }, 'DNS answers again');
    this.#entries.set(name, { records, freshUntil: now + freshMs, staleUntil: now + staleMs, failing: false });
    return records;
  }

  #serveOn(name: string, entry: Entry<T>, { message }: Unavailable): readonly T[] {
    const known = this.#entries.get(name)?.failing ?? entry.failing;
    if (!known) this.logger.warn({ name, why: message }, 'DNS does not answer, what it said last serves on');
    const freshUntil = Math.min(this.timers.now() + RECHECK_MS, entry.staleUntil);
    this.#entries.set(name, { ...entry, freshUntil, failing: true });
    return entry.records;
  }
}
