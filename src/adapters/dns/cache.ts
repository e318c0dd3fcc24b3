import { LRUCache } from 'lru-cache';
import type { Logger } from '../../lib/logger.ts';
import type { Clock } from '../../lib/timers.ts';
import { Unavailable } from '../../ports/errors.ts';
import { inTime } from './in-time.ts';
import type { Answer } from './questions.ts';

/** Names of each kind; one for every trunk of a large platform, some 300 bytes each. */
const MAX_NAMES = 20_000;
/** A TTL of 0 would have every one of a thousand trunks ask; one of a week would hide a move that was not planned. */
const MIN_TTL_MS = 1000;
const MAX_TTL_MS = 3_600_000;
/** "There is none" is believed for this long: whoever has just entered a name should not wait. */
const NONE_TTL_MS = 10_000;
/** What was said last serves on for this long while the DNS does not answer: as long as a registration usually lives. */
const STALE_MS = 3_600_000;
/** Meanwhile the DNS is asked this often (RFC 8767 5, failure recheck timer), so that not everyone waits for it. */
const RECHECK_MS = 30_000;
/** Whoever could have the last answer waits no longer than this for a new one (RFC 8767 5, client response timer). */
const PATIENCE_MS = 1800;

interface Entry<T> {
  readonly records: readonly T[];
  readonly freshUntil: number;
  readonly staleUntil: number;
  /** The DNS did not answer when it was asked again. */
  readonly failing: boolean;
}

/** What the DNS has said: believed for its TTL, and on while the DNS does not answer (RFC 8767). */
export class AnswerCache<T> {
  readonly #entries = new LRUCache<string, Entry<T>>({ max: MAX_NAMES });
  /** Questions under way; whoever asks the same waits for the same answer. */
  readonly #asking = new Map<string, Promise<readonly T[]>>();

  /** @param ask answers or fails within a deadline of its own */
  constructor(
    private readonly ask: (name: string) => Promise<Answer<T>>,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** The records of a name, none if it has none. @throws Unavailable */
  async get(name: string): Promise<readonly T[]> {
    const entry = this.#entries.get(name);
    const now = this.clock.now();
    if (entry && now < entry.freshUntil) return entry.records;
    const asking = this.#asking.get(name) ?? this.#begin(name);
    if (!entry || now >= entry.staleUntil) return asking;
    try {
      return await inTime(asking, PATIENCE_MS, name);
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
    const now = this.clock.now();
    const freshMs = records.length > 0 ? Math.min(Math.max(ttlMs, MIN_TTL_MS), MAX_TTL_MS) : NONE_TTL_MS;
    // That there was nothing is of no use to anyone later on.
    const staleMs = records.length > 0 ? freshMs + STALE_MS : freshMs;
    if (this.#entries.get(name)?.failing) this.logger.info({ name }, 'DNS answers again');
    this.#entries.set(name, { records, freshUntil: now + freshMs, staleUntil: now + staleMs, failing: false });
    return records;
  }

  #serveOn(name: string, entry: Entry<T>, { message }: Unavailable): readonly T[] {
    const known = this.#entries.get(name)?.failing ?? entry.failing;
    if (!known) this.logger.warn({ name, why: message }, 'DNS does not answer, what it said last serves on');
    const freshUntil = Math.min(this.clock.now() + RECHECK_MS, entry.staleUntil);
    this.#entries.set(name, { ...entry, freshUntil, failing: true });
    return entry.records;
  }
}
