import { background, turn } from '../lib/background.ts';
import { withDeadline } from '../lib/deadline.ts';
import type { Logger } from '../lib/logger.ts';
import { sleep, type Timer, type Timers } from '../lib/timers.ts';
import { Unavailable } from '../ports/errors.ts';
import type { Lease } from '../ports/lease.ts';

/** Work that only one sidecar of a cluster does at a time. */
export interface Duty {
  gained(): void;
  /** Stops the work; nothing is sent after this returns. */
  lost(): void;
}

export interface LeaderOptions {
  readonly lease: Lease;
  readonly lengthMs: number;
  readonly timers: Timers;
  readonly random: () => number;
  readonly logger: Logger;
  /** Identifies this sidecar at the store; must be unique. */
  readonly token: string;
}

/** How often we try to take the lease. Together with `SETTLE_MS` a clean handover takes less than 2 s. */
const POLL_MS = 1_000;
/** ±20 %, so that sidecars do not poll in step. */
const POLL_JITTER = 0.4;
/**
 * How often the holder checks the lease, and how long a new holder waits before it acts. If the store lost the lease (a
 * flush, a failover), the old holder has noticed by then.
 */
const CHECK_MS = 300;
const SETTLE_MS = 600;
const MAX_CALL_MS = 5_000;
/** Names in the log. */
const LEASE = 'keeping of the lease';
const STORE = 'call of the lease store';
/** Fraction of the lease by which we stop early, since clocks differ and requests take time to leave. */
const MARGIN = 0.1;

/**
 * Leader election with a lease. Its end is reckoned from before the call to the store, by both the monotonic and the
 * wall clock, so that a process that was suspended (SIGSTOP, a paused machine) knows on waking that its lease is over.
 */
export class Leader {
  readonly #duties: Duty[] = [];
  /** While we lead: when the lease ends unless renewed. */
  #until: { readonly monotonic: number; readonly wall: number } | undefined;
  #deadline: Timer | undefined;
  /** By the monotonic clock. */
  #renewedAt = 0;
  /** The store may hold our token: we led until now, or our call got no answer. */
  #maybeHeld = false;
  readonly #stopping = new AbortController();
  #started = false;

  constructor(private readonly options: LeaderOptions) {}

  /** Calls `duty.gained` at once if we already lead. */
  add(duty: Duty): void {
    this.#duties.push(duty);
    if (this.mayAct()) duty.gained();
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    background(this.options.logger, LEASE, () => this.#run(), this.options.timers);
  }

  /** Stops leading and releases the lease. Never throws, and takes no longer than one call to the store. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#lose('told to stop', 'info');
    if (this.#maybeHeld) await this.#ask(() => this.options.lease.release(this.options.token));
  }

  /** Whether we lead right now; call it before sending anything. */
  mayAct(): boolean {
    if (!this.#until) return false;
    const { timers } = this.options;
    if (timers.monotonic() < this.#until.monotonic && timers.now() < this.#until.wall) return true;
    this.#lose('not renewed in time');
    return false;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const { logger, timers } = this.options;
      const check = () => (this.mayAct() ? this.#keep() : this.#seek());
      // After a fault of our own too, as there may be no other sidecar to lead.
      const pauseMs = (await turn(logger, LEASE, check, timers)) ?? POLL_MS;
      if (pauseMs > 0) await this.#pause(pauseMs);
    }
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Checks the lease as its holder. @returns milliseconds until the next check */
  async #keep(): Promise<number> {
    const { lease, lengthMs, token, timers } = this.options;
    if (timers.monotonic() - this.#renewedAt >= lengthMs / 3) {
      const renewed = await this.#renew();
      if (renewed === false) this.#missing();
    } else {
      const holder = await this.#ask(() => lease.holder());
      if (holder && holder.value !== token) this.#missing();
    }
    return this.#until ? CHECK_MS : 0;
  }

  /** The store no longer has our lease; we may try to take it at once. */
  #missing(): void {
    this.#maybeHeld = false;
    this.#lose('the lease is not ours any more');
  }

  /** Tries to take the lease. @returns milliseconds until the next attempt */
  async #seek(): Promise<number> {
    const { lease, lengthMs, token, random } = this.options;
    const poll = POLL_MS * (1 - POLL_JITTER / 2 + random() * POLL_JITTER);
    if (!this.#maybeHeld) {
      this.#maybeHeld = true;
      const taken = await this.#ask(() => lease.take(token, lengthMs));
      if (taken) this.#maybeHeld = taken.value;
      if (!taken?.value) return poll;
    }
    await this.#pause(SETTLE_MS);
    if (this.#stopped) return 0;
    const renewed = await this.#renew();
    if (renewed === false) this.#maybeHeld = false;
    return this.#until ? CHECK_MS : poll;
  }

  async #renew(): Promise<boolean | undefined> {
    const { lease, lengthMs, token, timers } = this.options;
    const calledAt = { monotonic: timers.monotonic(), wall: timers.now() };
    const renewed = await this.#ask(() => lease.renew(token, lengthMs));
    if (renewed?.value && !this.#stopped) this.#lead(calledAt);
    return renewed?.value;
  }

  #lead(calledAt: { monotonic: number; wall: number }): void {
    const { lengthMs, timers, logger } = this.options;
    // False after a suspension: the duties must start again although the lease may be ours again.
    const led = this.mayAct();
    const length = lengthMs * (1 - MARGIN);
    const left = calledAt.monotonic + length - timers.monotonic();
    if (left <= 0 || timers.now() >= calledAt.wall + length) return;
    this.#renewedAt = calledAt.monotonic;
    this.#until = { monotonic: calledAt.monotonic + length, wall: calledAt.wall + length };
    this.#deadline?.cancel();
    this.#deadline = timers.after(left, () => this.mayAct());
    if (led) return;
    logger.info({}, 'this sidecar registers at carriers now');
    for (const duty of this.#duties) duty.gained();
  }

  #lose(why: string, level: 'info' | 'warn' = 'warn'): void {
    if (!this.#until) return;
    this.#until = undefined;
    this.#deadline?.cancel();
    this.options.logger[level]({ why }, 'this sidecar does not register at carriers any more');
    for (const duty of this.#duties) duty.lost();
  }

  /** @returns undefined when the store failed or did not answer in time */
  #ask<T>(question: () => Promise<T>): Promise<{ value: T } | undefined> {
    const { timers, logger, lengthMs } = this.options;
    const late = () => new Unavailable('lease', 'no answer in time');
    const answer = async () => ({
      value: await withDeadline(question(), Math.min(MAX_CALL_MS, lengthMs / 3), late, timers),
    });
    return turn(logger, STORE, answer, timers);
  }

  #pause(ms: number): Promise<void> {
    return sleep(ms, this.options.timers, this.#stopping.signal);
  }
}
