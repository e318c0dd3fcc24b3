import { background, turn } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import type { AbusePolicy, AbuseStore, Ban } from '../ports/abuse-store.ts';
import { Unavailable } from '../ports/errors.ts';
import type { Events } from '../ports/events.ts';
import type { Screen } from '../ports/sip-server.ts';
import { networkOf } from '../sip/ip.ts';
import { type Header, headerValue } from '../sip/message.ts';
import { Guesses } from './guesses.ts';
import { PendingReport } from './pending-report.ts';
import { isScanner } from './scanners.ts';
import { Scores } from './scores.ts';

export interface AbuseOptions {
  readonly store: AbuseStore;
  readonly policy: AbusePolicy;
  /** Addresses that are never banned. */
  readonly exempt: (address: string) => boolean;
  readonly events: Events;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** Points of an offence. A scanner is banned at once: its points are the threshold. */
const POINTS = {
  'wrong password': 5,
  'webhook denial': 5,
  'unknown user': 2,
  'unknown realm': 2,
  'answer for a closed AOR': 2,
  'malformed request': 1,
} as const;

export type Offence = keyof typeof POINTS | 'scanner';

/** Interval at which sidecars tell each other what they have seen, milliseconds. */
const EXCHANGE_MS = 1_000;
const EXCHANGE = 'exchange of bans';
/** The one that began first is lifted beyond this. The store has the same bound. */
const MAX_BANS = 10_000;
/** Bans with a log line of their own between two exchanges. */
const MAX_LINES = 20;
export interface AbuseFigures {
  /** Sources that are banned now. */
  readonly bans: number;
  /** Sources with a score of at least 1; a ban resets the score. */
  readonly scoredSources: number;
  readonly highestScore: number;
  /** AORs with so many wrong answers in this minute that only sources known to them may answer. */
  readonly closedAors: number;
}

/**
 * Keeps intruders out: scores sources by what they do wrong, bans those that reach the threshold, and protects AORs that
 * are guessed at from many sources. All sidecars of a cluster share this through the store; each decides at once by what
 * it has seen itself.
 */
export class Abuse implements Screen {
  /** End of each ban, milliseconds since the epoch. */
  #bans = new Map<string, number>();
  readonly #scores: Scores;
  #report = new PendingReport();
  readonly #guesses: Guesses;
  #timer: Timer | undefined;
  #exchanging: Promise<void> | undefined;
  readonly #onBanned: ((network: string) => void)[] = [];
  /** Bans since the last exchange. */
  #newBans = 0;

  constructor(private readonly options: AbuseOptions) {
    this.#scores = new Scores(options.timers);
    this.#guesses = new Guesses(options.timers);
  }

  start(): void {
    this.#schedule(0);
  }

  /** Reports what has not been reported, if the store answers. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await turn(this.options.logger, EXCHANGE, async () => {
      await this.#exchanging;
      if (!this.#report.isEmpty) await this.#exchange();
    });
  }

  onBanned(listener: (network: string) => void): void {
    this.#onBanned.push(listener);
  }

  isBanned(address: string): boolean {
    if (this.#bans.size === 0) return false;
    const until = this.#bans.get(networkOf(address));
    if (until === undefined || until <= this.options.timers.now()) return false;
    // The network of a ban, or another sidecar that has decided on it, may not know of an exempt address.
    return !this.options.exempt(address);
  }

  /** Bans the source of a scanner's request. */
  admits(address: string, headers: readonly Header[]): boolean {
    const userAgent = headerValue(headers, 'User-Agent');
    if (userAgent !== undefined && isScanner(userAgent)) this.record(address, 'scanner');
    return !this.isBanned(address);
  }

  malformed(address: string): void {
    this.record(address, 'malformed request');
  }

  /** Adds the points of an offence to the score of a source, unless it is exempt. */
  record(address: string, offence: Offence): void {
    const { policy, exempt } = this.options;
    if (exempt(address)) return;
    const source = networkOf(address);
    const points = offence === 'scanner' ? policy.banThreshold : POINTS[offence];
    this.#report.offence(source, address, points);
    if (this.#scores.add(source, points) < policy.banThreshold || this.isBanned(address)) return;
    // By the time of the exchange the score has decayed a little, and might not reach the threshold in the store.
    this.#report.offence(source, address, policy.banThreshold);
    // The store knows how often it was banned before, and may extend this.
    this.#ban(source, this.options.timers.now() + policy.banSeconds * 1000, offence);
  }

  /** A wrong answer to a challenge. @param nonce that is still valid; times in milliseconds since the epoch */
  wrongAnswer(aor: string, nonce?: { readonly id: string; readonly expiresAt: number }): void {
    this.#guesses.wrong(aor);
    this.#report.wrongAnswer(aor);
    if (nonce && this.#guesses.wrongWith(nonce.id)) this.#report.spentNonce(nonce.id, nonce.expiresAt);
  }

  /** Whether a nonce has had as many wrong answers as it may. */
  isSpent(nonceId: string): boolean {
    return this.#guesses.isSpent(nonceId);
  }

  /**
   * Whether an answer to a challenge is worth checking: the AOR is not under attack, or this source has registered it
   * within a day.
   */
  mayAnswer(aor: string, address: string): boolean {
    return this.#guesses.mayAnswer(aor, address);
  }

  /** A user has authenticated: behind one NAT live many honest phones, so the score of their source is reset. */
  succeeded(aor: string, address: string): void {
    this.#guesses.succeeded(aor, address);
    const source = networkOf(address);
    if (this.#scores.clear(source)) this.#report.pardon(source);
  }

  get figures(): AbuseFigures {
    const { sources, highest } = this.#scores.summary();
    const { closedAors } = this.#guesses;
    return { bans: this.bans().length, scoredSources: sources, highestScore: highest, closedAors };
  }

  bans(): Ban[] {
    const now = this.options.timers.now();
    return [...this.#bans].flatMap(([source, until]) => (until > now ? [{ source, until }] : []));
  }

  /**
   * Lifts the ban of an address, or all.
   * @returns the sources that were banned
   * @throws DependencyError
   */
  async clear(address?: string): Promise<readonly string[]> {
    const source = address === undefined ? undefined : networkOf(address);
    const mine = this.bans().filter((ban) => source === undefined || ban.source === source);
    const stored = await this.options.store.clear(source);
    for (const { source } of mine) this.#bans.delete(source);
    if (source === undefined) this.#scores.clearAll();
    else this.#scores.clear(source);
    this.#report.forget(source);
    const lifted = [...new Set([...stored, ...mine.map((ban) => ban.source)])];
    for (const source of lifted) this.options.events.emit({ type: 'unbanned', source });
    this.options.logger.info({ lifted: lifted.length, source: source ?? 'all' }, 'bans lifted');
    return lifted;
  }

  #schedule(ms: number): void {
    const { timers, logger } = this.options;
    this.#timer = timers.after(ms, () => {
      this.#schedule(EXCHANGE_MS);
      this.#countFurtherBans();
      background(logger, EXCHANGE, () => this.#exchangeOnce());
    });
  }

  async #exchangeOnce(): Promise<void> {
    this.#exchanging ??= this.#exchange().finally(() => {
      this.#exchanging = undefined;
    });
    await this.#exchanging;
  }

  async #exchange(): Promise<void> {
    const report = this.#report;
    this.#report = new PendingReport();
    try {
      const { bans, scores, wrongAnswers } = await this.options.store.exchange(report);
      this.#adopt(bans);
      this.#scores.adopt(scores);
      this.#guesses.adopt(wrongAnswers);
    } catch (error) {
      // A fault would repeat itself, and count parts of the report again.
      if (error instanceof Unavailable) this.#report = report.followedBy(this.#report);
      throw error;
    }
  }

  /** Bans of the store; our own that it does not have yet stay until they end. */
  #adopt(bans: readonly Ban[]): void {
    const now = this.options.timers.now();
    for (const [source, until] of this.#bans) if (until <= now) this.#bans.delete(source);
    const listed = new Set(bans.map(({ source }) => source));
    for (const source of this.#bans.keys())
      if (!listed.has(source) && !this.#report.concerns(source)) this.#bans.delete(source);
    for (const { source, until } of bans) this.#ban(source, until, 'seen by the cluster');
  }

  #ban(source: string, until: number, why: string): void {
    const { events, timers, logger } = this.options;
    const wasBanned = (this.#bans.get(source) ?? 0) > timers.now();
    this.#bans.set(source, until);
    this.#scores.clear(source);
    if (wasBanned) return;
    const [oldest] = this.#bans.keys();
    if (this.#bans.size > MAX_BANS && oldest !== undefined) this.#bans.delete(oldest);
    const seconds = Math.round((until - timers.now()) / 1000);
    logger[++this.#newBans > MAX_LINES ? 'debug' : 'warn']({ source, seconds, why }, 'source banned');
    events.emit({ type: 'banned', source, until });
    for (const listener of this.#onBanned) listener(source);
  }

  #countFurtherBans(): void {
    const further = this.#newBans - MAX_LINES;
    if (further > 0) this.options.logger.warn({ further }, 'more sources banned');
    this.#newBans = 0;
  }
}
