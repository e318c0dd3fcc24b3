import { background } from '../lib/background.ts';
import { withDeadline } from '../lib/deadline.ts';
import { type Logger, traceOf } from '../lib/logger.ts';
import { sleep, type Timer, type Timers } from '../lib/timers.ts';
import { Unavailable } from '../ports/errors.ts';
import type { Lease } from '../ports/lease.ts';

/** What only one sidecar of a cluster does at a time. */
export interface Duty {
  /** We lead now; everything starts. */
  gained(): void;
  /** We do not lead any more; nothing is sent from here on. */
  lost(): void;
}

export interface LeaderOptions {
  readonly lease: Lease;
  /** Length of the lease, milliseconds. */
  readonly lengthMs: number;
  readonly timers: Timers;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly logger: Logger;
  /** Names us at the store; no other sidecar may have it. */
  readonly token: string;
}

/** How often we look whether the lease is free: by the sum with `SETTLE_MS` a clean handover takes less than 2 s. */
const POLL_MS = 1_000;
/** ±20 % of it, so that sidecars do not ask together. */
const POLL_JITTER = 0.4;
/**
 * How often the holder looks whether the lease is still its own, and how long a new holder waits before it acts: when the
 * store lost the lease (a flush, a failover), the old holder has noticed by then.
 */
const CHECK_MS = 300;
const SETTLE_MS = 600;
/** For one question to the store. */
const MAX_CALL_MS = 5_000;
/** We stop so long before the lease ends, as a part of it: clocks differ, and what is sent takes a while to leave. */
const MARGIN = 0.1;

/**
 * Holds a lease when it can, and says so. The time that counts is that before the store was asked, by the monotonic clock
 * and by the wall clock both: a process that slept (SIGSTOP, a paused machine) knows on waking that its time is over.
 */
export class Leader {
  readonly #duties: Duty[] = [];
  /** While we lead: when that ends unless renewed, by either clock. */
  #until: { readonly monotonic: number; readonly wall: number } | undefined;
  #deadline: Timer | undefined;
  /** By the monotonic clock. */
  #renewedAt = 0;
  /** The store may hold our token: we asked for it and have no answer, or led until now. */
  #maybeHeld = false;
  readonly #stopping = new AbortController();
  #started = false;

  constructor(private readonly options: LeaderOptions) {}

  /** @param duty told from now on; at once when we lead already */
  add(duty: Duty): void {
    this.#duties.push(duty);
    if (this.mayAct()) duty.gained();
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    background(this.options.logger, 'keeping of the lease', () => this.#run());
  }

  /** Stands down and gives the lease back. Never throws, and takes no longer than one question to the store. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#lose('told to stop');
    if (this.#maybeHeld) await this.#ask(() => this.options.lease.release(this.options.token));
  }

  /** Whether we lead, right now: to be asked before anything is sent. */
  mayAct(): boolean {
    if (!this.#until) return false;
    const { timers } = this.options;
    if (timers.monotonic() < this.#until.monotonic && timers.now() < this.#until.wall) return true;
    this.#lose('not renewed in time');
    return false;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const pauseMs = await this.#look();
      if (pauseMs > 0) await this.#pause(pauseMs);
    }
  }

  /** @returns when to look again, milliseconds; after a fault too, as no other sidecar may be there to lead */
  async #look(): Promise<number> {
    try {
      return this.mayAct() ? await this.#keep() : await this.#seek();
    } catch (error) {
      this.options.logger.error({ why: traceOf(error) }, 'lease');
      return POLL_MS;
    }
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** One look as the holder. @returns when to look again, milliseconds */
  async #keep(): Promise<number> {
    const { lease, lengthMs, token, timers } = this.options;
    const asked = timers.monotonic();
    if (asked - this.#renewedAt >= lengthMs / 3) {
      const renewed = await this.#renew();
      if (renewed === false) this.#miss();
    } else {
      const holder = await this.#ask(() => lease.holder());
      if (holder && holder.value !== token) this.#miss();
    }
    return this.#until ? CHECK_MS : 0;
  }

  /** The store says that another one holds the lease, or nobody: it forgot, and we may try for it at once. */
  #miss(): void {
    this.#maybeHeld = false;
    this.#lose('the lease is not ours any more');
  }

  /** One try to become the holder. @returns when to look again, milliseconds */
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

  /** @returns undefined when the store did not say */
  async #renew(): Promise<boolean | undefined> {
    const { lease, lengthMs, token, timers } = this.options;
    const asked = { monotonic: timers.monotonic(), wall: timers.now() };
    const renewed = await this.#ask(() => lease.renew(token, lengthMs));
    if (renewed?.value && !this.#stopped) this.#lead(asked);
    return renewed?.value;
  }

  #lead(asked: { monotonic: number; wall: number }): void {
    const { lengthMs, timers, logger } = this.options;
    // Whoever slept since the last look has lost what was, though the lease may be ours again.
    const led = this.mayAct();
    const length = lengthMs * (1 - MARGIN);
    const left = asked.monotonic + length - timers.monotonic();
    if (left <= 0 || timers.now() >= asked.wall + length) return;
    this.#renewedAt = asked.monotonic;
    this.#until = { monotonic: asked.monotonic + length, wall: asked.wall + length };
    this.#deadline?.cancel();
    this.#deadline = timers.after(left, () => this.mayAct());
    if (led) return;
    logger.info({}, 'this sidecar registers at carriers now');
    for (const duty of this.#duties) duty.gained();
  }

  #lose(why: string): void {
    if (!this.#until) return;
    this.#until = undefined;
    this.#deadline?.cancel();
    this.options.logger.warn({ why }, 'this sidecar does not register at carriers any more');
    for (const duty of this.#duties) duty.lost();
  }

  /** @returns undefined when there was no answer, or none in time */
  async #ask<T>(question: () => Promise<T>): Promise<{ value: T } | undefined> {
    const { timers, logger, lengthMs } = this.options;
    const late = () => new Unavailable('lease', 'no answer in time');
    try {
      return { value: await withDeadline(question(), Math.min(MAX_CALL_MS, lengthMs / 3), late, timers) };
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      logger.warn({ why: error.message }, 'lease');
      return undefined;
    }
  }

  #pause(ms: number): Promise<void> {
    return sleep(ms, this.options.timers, this.#stopping.signal);
  }
}
