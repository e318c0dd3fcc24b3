import { evenly } from '../lib/pace.ts';
import type { Random } from '../lib/random.ts';
import { COOKIE } from '../lib/request.ts';
import { RetransmissionTimers } from '../register/retransmit.ts';
import { openSources, type Target, type UdpSource } from '../register/source.ts';
import { ChaosPhone, type Work } from './phone.ts';

export interface LoadOptions {
  readonly target: Target;
  readonly realm: string;
  readonly users: readonly { readonly user: string; readonly password: string }[];
}

export interface Counts {
  /** REGISTERs that phones have begun, each with its challenges: the sum of the next four. */
  requests: number;
  granted: number;
  unavailable: number;
  /** Any other final answer, by its status. */
  readonly others: Map<number, number>;
  unanswered: number;
  retransmissions: number;
  /** REGISTERs that were due when no phone was free. */
  skipped: number;
  /** A 200 that does not list what the phone asked for. */
  readonly flaws: string[];
  /** Answers in each second from the start: 200, 503. */
  readonly perSecond: { granted: number; unavailable: number }[];
  /** The longest time without a 200, and when it began, from the start, ms. */
  longestGap: { readonly ms: number; readonly at: number };
}

const SOURCES = 50;
const TICK_MS = 50;
/** Timer F of RFC 3261, after which a phone gives up. */
const DRAIN_MS = 33_000;
const MAX_FLAWS = 5;
const VIA_BRANCH = `branch=${COOKIE}`;

/** Phones that register, move, refresh and unregister. */
export class Load {
  readonly phones: ChaosPhone[] = [];
  readonly counts: Counts = {
    requests: 0,
    granted: 0,
    unavailable: 0,
    others: new Map(),
    unanswered: 0,
    retransmissions: 0,
    skipped: 0,
    flaws: [],
    perSecond: [],
    longestGap: { ms: 0, at: 0 },
  };
  readonly #timers = new RetransmissionTimers<ChaosPhone>();
  /** Those without a request in flight, the longest idle first. */
  #idle: ChaosPhone[] = [];
  #sources: UdpSource[] = [];
  /** When the run began, performance.now(). */
  startedAt = 0;
  #running = false;
  #lastGrantAt = 0;
  #onIdle: () => void = () => {};

  static async open({ target, realm, users }: LoadOptions): Promise<Load> {
    const load = new Load();
    const salt = crypto.randomUUID().slice(0, 8);
    load.#sources = await openSources(SOURCES, target, {
      onMessage: (message) => load.#receive(message),
      // Retransmissions make up for it.
      onLoss: () => {},
    });
    for (const [slot, { user, password }] of users.entries()) {
      const source = load.#sources[slot % SOURCES];
      if (source) load.phones.push(new ChaosPhone(slot, user, password, { realm, salt, source }));
    }
    load.#idle = [...load.phones];
    return load;
  }

  /** Begins `rate` REGISTERs a second, then waits until each has ended: at most 32 s. */
  async run(rate: number, seconds: number, random: Random): Promise<void> {
    const ticker = setInterval(() => this.#tick(), TICK_MS);
    this.startedAt = performance.now();
    this.#lastGrantAt = this.startedAt;
    this.#running = true;
    try {
      await evenly(rate, seconds, () => this.#begin(random));
      this.#measureGap(performance.now());
      this.#running = false;
      await this.#drained();
    } finally {
      clearInterval(ticker);
    }
  }

  close(): void {
    for (const source of this.#sources) source.close();
  }

  #begin(random: Random): void {
    const now = performance.now();
    const [phone] = this.#idle;
    if (!phone || phone.readyAt > now) {
      this.counts.skipped++;
      return;
    }
    this.#idle.shift();
    this.counts.requests++;
    phone.begin(workOf(random.next()), now);
    this.#timers.start(phone, now);
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timeout);
        this.#onIdle = () => {};
        resolve();
      };
      const timeout = setTimeout(end, DRAIN_MS);
      this.#onIdle = () => {
        if (this.#idle.length === this.phones.length) end();
      };
      this.#onIdle();
    });
  }

  #tick(): void {
    const now = performance.now();
    this.#timers.expire(
      now,
      (phone) => {
        this.counts.retransmissions++;
        phone.resend();
      },
      (phone) => {
        this.counts.unanswered++;
        phone.giveUp(now);
        this.#over(phone);
      },
    );
  }

  #receive(message: string): void {
    const now = performance.now();
    const branchAt = message.indexOf(VIA_BRANCH) + VIA_BRANCH.length;
    const phone = this.phones[Number.parseInt(message.slice(branchAt, branchAt + 10), 10)];
    const end = phone?.receive(Number(message.slice(8, 11)), message, branchAt, now) ?? 'stray';
    if (!phone || end === 'stray') return;
    if (end === 'challenged') {
      this.#timers.start(phone, now);
      return;
    }
    this.#count(end.status, now);
    if (end.flaw !== undefined && this.counts.flaws.length < MAX_FLAWS)
      this.counts.flaws.push(`${phone.aor}: ${end.flaw}`);
    this.#over(phone);
  }

  #count(status: number, now: number): void {
    const { counts } = this;
    const second = Math.floor((now - this.startedAt) / 1000);
    counts.perSecond[second] ??= { granted: 0, unavailable: 0 };
    if (status === 200) counts.perSecond[second].granted++;
    if (status === 503) {
      counts.unavailable++;
      counts.perSecond[second].unavailable++;
    } else if (status !== 200) counts.others.set(status, (counts.others.get(status) ?? 0) + 1);
    else {
      counts.granted++;
      this.#measureGap(now);
    }
  }

  #measureGap(now: number): void {
    if (!this.#running) return;
    const ms = now - this.#lastGrantAt;
    if (ms > this.counts.longestGap.ms) this.counts.longestGap = { ms, at: this.#lastGrantAt - this.startedAt };
    this.#lastGrantAt = now;
  }

  #over(phone: ChaosPhone): void {
    this.#timers.stop(phone);
    this.#idle.push(phone);
    this.#onIdle();
  }
}

function workOf(share: number): Work {
  if (share < 0.7) return 'move';
  return share < 0.9 ? 'refresh' : 'unregister';
}
