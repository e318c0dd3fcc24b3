import { DependencyError, QueryFault, Unavailable } from '../ports/errors.ts';
import { background } from './background.ts';
import type { Logger } from './logger.ts';
import type { Timer, Timers } from './timers.ts';

/** Interval between probes of a dependency that is down, at first. */
const RECHECK_MS = 1_000;
/** A dependency that has not answered anything for this long is probed, so that an outage shows without traffic. */
const HEARTBEAT_MS = 5_000;

export interface DependencyOptions {
  /** `Redis`, `MySQL`. */
  readonly name: string;
  /** `host:port`, or a path. */
  readonly address: string;
  /** What an outage means for users, for the log: `registrations are refused`. */
  readonly affects: string;
  /** Does something cheap that users need, with a deadline. Rejects with a {@link DependencyError}. */
  readonly probe: () => Promise<unknown>;
  /** Called when an outage begins. */
  readonly onDown?: () => void;
  /** The interval between probes of an outage doubles up to this, milliseconds. Default: it does not grow. */
  readonly maxRecheckMs?: number;
  readonly timers: Timers;
  readonly logger: Logger;
}

export interface DependencyHealth {
  readonly name: string;
  readonly address: string;
  /** `unknown`: it has not answered yet. */
  readonly state: 'unknown' | 'up' | 'down';
  /** When this state began, milliseconds since the epoch. */
  readonly since: number;
  /** The last failure, unless it is up. */
  readonly why?: string;
}

/**
 * Whether a server that we depend on answers. After a failed question it is probed at once, and it is down when the probe
 * fails too: one lost connection is no outage. Until the probe has succeeded no question waits for it. Logs one line when
 * an outage begins and one when it ends.
 */
export class Dependency {
  #state: DependencyHealth['state'] = 'unknown';
  #since: number;
  #why: string | undefined;
  /** By the monotonic clock. */
  #answeredAt = 0;
  #probing = false;
  /** A probe is to be made out of turn. */
  #due = false;
  /** An outage has been logged, and its end has not. */
  #logged = false;
  /** A question has failed, and no probe has been made since. */
  #suspected = false;
  #timer: Timer | undefined;
  #started = false;
  #recheckMs = RECHECK_MS;
  readonly #listeners: (() => void)[] = [];
  readonly #onAsked: ((ms: number) => void)[] = [];

  constructor(private readonly options: DependencyOptions) {
    this.#since = options.timers.now();
  }

  get name(): string {
    return this.options.name;
  }

  get health(): DependencyHealth {
    const { name, address } = this.options;
    const health = { name, address, state: this.#state, since: this.#since };
    return this.#why === undefined ? health : { ...health, why: this.#why };
  }

  /** Calls `listener` after each change of the state. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Calls `listener` with the time of every question and probe, answered or failed, in milliseconds. */
  onAsked(listener: (ms: number) => void): void {
    this.#onAsked.push(listener);
  }

  /**
   * Asks a question.
   * @throws Unavailable at once while the dependency is known or suspected to be down, and any error of `question`
   */
  async ask<T>(question: () => Promise<T>): Promise<T> {
    if (this.#logged || this.#suspected) throw new Unavailable(this.options.name, 'does not answer');
    try {
      const result = await this.#timed(question);
      this.answered();
      return result;
    } catch (error) {
      if (error instanceof QueryFault) this.answered();
      else if (error instanceof Unavailable && this.#started) this.#suspect(error.message);
      throw error;
    }
  }

  /** Probes the dependency now, because something indicates that it is down, or back. */
  probeNow(why: string): void {
    if (!this.#started || this.#probing || this.#due) return;
    this.options.logger.debug({ dependency: this.options.name, why }, 'dependency probed');
    this.#due = true;
    this.#schedule(0);
  }

  #suspect(why: string): void {
    this.#suspected = true;
    this.probeNow(why);
  }

  /** Probes once. @throws DependencyError */
  async check(): Promise<void> {
    this.#probing = true;
    this.#due = false;
    try {
      await this.#timed(this.options.probe);
      this.answered();
    } catch (error) {
      if (error instanceof DependencyError) this.#failed(error);
      throw error;
    } finally {
      this.#probing = false;
      this.#suspected = false;
    }
  }

  async #timed<T>(question: () => Promise<T>): Promise<T> {
    const { timers } = this.options;
    const askedAt = timers.monotonic();
    try {
      return await question();
    } finally {
      for (const listener of this.#onAsked) listener(timers.monotonic() - askedAt);
    }
  }

  /** Begins to probe regularly, at once when it has not answered yet. */
  start(): void {
    this.#started = true;
    this.#schedule(this.#state === 'up' ? HEARTBEAT_MS : 0);
  }

  stop(): void {
    this.#started = false;
    this.#timer?.cancel();
  }

  #schedule(ms: number): void {
    const { timers, logger, name } = this.options;
    this.#timer?.cancel();
    this.#timer = timers.after(ms, () => background(logger, `probe of ${name}`, () => this.#turn()));
  }

  async #turn(): Promise<void> {
    const quietMs = this.options.timers.monotonic() - this.#answeredAt;
    if (this.#state === 'up' && !this.#due && quietMs < HEARTBEAT_MS) {
      this.#schedule(HEARTBEAT_MS - quietMs);
      return;
    }
    try {
      await this.check();
    } catch (error) {
      if (!(error instanceof DependencyError)) throw error;
    } finally {
      if (this.#started) this.#schedule(this.#state === 'up' ? HEARTBEAT_MS : this.#nextRecheckMs());
    }
  }

  #nextRecheckMs(): number {
    const ms = this.#recheckMs;
    this.#recheckMs = Math.min(ms * 2, this.options.maxRecheckMs ?? RECHECK_MS);
    return ms;
  }

  /** Records that it has answered something. */
  answered(): void {
    const { name, address, timers, logger } = this.options;
    this.#answeredAt = timers.monotonic();
    if (this.#state === 'up') return;
    const seconds = Math.round((timers.now() - this.#since) / 1000);
    if (this.#logged) logger.info({ dependency: name, address, seconds }, `${name} answers again`);
    this.#logged = false;
    this.#recheckMs = RECHECK_MS;
    this.#enter('up', undefined);
  }

  #failed(error: DependencyError): void {
    const { name, address, affects, logger, onDown } = this.options;
    this.#why = error.why;
    // Before the start, each try is logged where it is made.
    if (this.#logged || !this.#started) return;
    this.#logged = true;
    if (this.#state === 'up') this.#enter('down', error.why);
    logger.warn({ dependency: name, address, why: error.why, affects }, `${name} does not answer`);
    onDown?.();
  }

  #enter(state: 'up' | 'down', why: string | undefined): void {
    this.#state = state;
    this.#since = this.options.timers.now();
    this.#why = why;
    for (const listener of this.#listeners) listener();
  }
}
