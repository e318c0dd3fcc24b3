import { randomBytes } from 'node:crypto';
import { ha2 } from '../lib/digest.ts';
import { evenly } from '../lib/pace.ts';
import { COOKIE } from '../lib/request.ts';
import { Counts } from './counts.ts';
import { RetransmissionTimers } from './retransmit.ts';
import { openSources, type Target, type UdpSource } from './source.ts';
import { type Domain, UserAgent, type Work } from './user-agent.ts';

export interface LoadOptions {
  readonly target: Target;
  readonly realm: string;
  /** More than one: `%d` in the realm becomes 1 to this, and each user is in the next one. */
  readonly realms?: number;
  readonly users: number;
  /** Number of the first user. Default: 1. */
  readonly firstUser?: number;
  readonly userPattern: string;
  readonly passwordPattern: string;
  /** UDP sockets that the users are spread over; a user always sends from the same one. */
  readonly sources: number;
  readonly expires: number;
}

export interface RunOptions {
  readonly work: Work;
  readonly seconds: number;
  /** Units started per second, evenly spaced however slow the answers are; 0 starts one when another ends. */
  readonly rate: number;
  readonly concurrency: number;
  /** How long to wait for answers after the window, ms; by default DRAIN_MS. */
  readonly drainMs?: number;
}

const DRAIN_MS = 4000;

const TIMER_TICK_MS = 50;

const ENROL_SECONDS = 1800;

const VIA_BRANCH = `branch=${COOKIE}`;

/** Many phones in front of one registrar. One run at a time; the phones keep their registrations from run to run. */
export class Load {
  readonly #phones: UserAgent[] = [];
  readonly #timers = new RetransmissionTimers<UserAgent>();
  /** Idle phones, the longest idle first: a ring of slots. */
  readonly #idle: Int32Array;
  #idleHead = 0;
  #idleCount: number;
  #sources: UdpSource[] = [];
  #counts = new Counts();
  #work: Work = 'options';
  #endsAt = 0;
  #onUnitOver: () => void = () => {};

  private constructor(users: number) {
    this.#idle = Int32Array.from({ length: users }, (_, slot) => slot);
    this.#idleCount = users;
  }

  static async open(options: LoadOptions): Promise<Load> {
    const load = new Load(options.users);
    load.#sources = await openSources(Math.min(options.sources, options.users), options.target, {
      onMessage: (message) => load.#receive(message),
      onLoss: () => load.#counts.lost++,
    });
    const salt = randomBytes(5).toString('hex');
    const domains = Array.from({ length: options.realms ?? 1 }, (_, i): Domain => {
      const realm = options.realm.replace('%d', `${i + 1}`);
      return {
        realm,
        ha2: ha2(`sip:${realm}`),
        expires: options.expires,
        salt,
        onRequest: (phone) => {
          load.#counts.requests++;
          load.#timers.start(phone, performance.now());
        },
      };
    });
    for (let slot = 0; slot < options.users; slot++) {
      const source = load.#sources[slot % load.#sources.length];
      const domain = domains[slot % domains.length];
      if (!source || !domain) throw new Error('a load needs at least one source and one realm');
      const [user, password] = [options.userPattern, options.passwordPattern].map((p) =>
        p.replace('%d', `${slot + (options.firstUser ?? 1)}`),
      );
      load.#phones.push(new UserAgent(slot, user ?? '', password ?? '', source, domain));
    }
    return load;
  }

  async run({ work, seconds, rate, concurrency, drainMs = DRAIN_MS }: RunOptions): Promise<Counts> {
    return this.#measure(work, seconds, drainMs, async (counts) => {
      if (rate === 0) await this.#closedLoop(concurrency, seconds * 1000, () => performance.now() < this.#endsAt);
      else {
        await evenly(rate, seconds, (lateMs) => {
          counts.lagMs = Math.max(counts.lagMs, lateMs);
          if (!this.#begin()) counts.skipped++;
        });
      }
    });
  }

  /**
   * Registers every user once, `concurrency` at a time: the warm-up of `refresh`. Rejects at the first user that cannot
   * be registered, with the reason.
   */
  async enrol(concurrency: number, drainMs = DRAIN_MS): Promise<void> {
    const counts = await this.#measure('enrol', ENROL_SECONDS, drainMs, (counts) =>
      this.#closedLoop(concurrency, ENROL_SECONDS * 1000, () => {
        const { started, wrong, unanswered } = counts;
        return started < this.#phones.length && wrong + unanswered === 0;
      }),
    );
    if (counts.done === this.#phones.length) return;
    const why = counts.samples.size > 0 ? [...counts.samples].join('; ') : 'no answer';
    throw new Error(`only ${counts.done} of ${this.#phones.length} users could be registered: ${why}`);
  }

  close(): void {
    for (const source of this.#sources) source.close();
  }

  async #measure(work: Work, seconds: number, drainMs: number, load: (counts: Counts) => Promise<void>) {
    const counts = new Counts();
    this.#counts = counts;
    this.#work = work;
    this.#endsAt = performance.now() + seconds * 1000;
    const ticker = setInterval(() => this.#tick(), TIMER_TICK_MS);
    try {
      await load(counts);
      await this.#drain(drainMs);
    } finally {
      clearInterval(ticker);
    }
    return counts;
  }

  #closedLoop(concurrency: number, ms: number, wanted: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      let inFlight = 0;
      const timeout = setTimeout(resolve, ms);
      const more = () => {
        while (inFlight < concurrency && wanted() && this.#begin()) inFlight++;
        if (wanted() && inFlight > 0) return;
        clearTimeout(timeout);
        resolve();
      };
      this.#onUnitOver = () => {
        inFlight--;
        more();
      };
      more();
    });
  }

  /** Waits until nothing is in flight, `drainMs` at most; the rest is unanswered. */
  async #drain(drainMs: number): Promise<void> {
    const inFlight = () => this.#phones.length - this.#idleCount;
    if (inFlight() > 0) {
      await new Promise<void>((resolve) => {
        const timeout = setTimeout(resolve, drainMs);
        this.#onUnitOver = () => {
          if (inFlight() > 0) return;
          clearTimeout(timeout);
          resolve();
        };
      });
    }
    this.#onUnitOver = () => {};
    for (const phone of this.#phones) if (phone.stage >= 0) this.#giveUp(phone);
  }

  #tick(): void {
    this.#timers.expire(
      performance.now(),
      (phone) => {
        this.#counts.retransmissions++;
        phone.resend();
      },
      (phone) => this.#giveUp(phone),
    );
  }

  #begin(): boolean {
    if (this.#idleCount === 0) return false;
    const phone = this.#phones[this.#idle[this.#idleHead] ?? 0];
    if (!phone) return false;
    this.#idleHead = (this.#idleHead + 1) % this.#idle.length;
    this.#idleCount--;
    this.#counts.started++;
    phone.startedAt = performance.now();
    phone.begin(this.#work);
    return true;
  }

  #giveUp(phone: UserAgent): void {
    this.#counts.unanswered++;
    phone.abandon();
    this.#over(phone);
  }

  #over(phone: UserAgent): void {
    this.#timers.stop(phone);
    this.#idle[(this.#idleHead + this.#idleCount) % this.#idle.length] = phone.slot;
    this.#idleCount++;
    this.#onUnitOver();
  }

  #receive(message: string): void {
    if (!message.startsWith('SIP/2.0 ')) return;
    const status = Number(message.slice(8, 11));
    this.#counts.answered(status);
    const branchAt = message.indexOf(VIA_BRANCH) + VIA_BRANCH.length;
    const phone = this.#phones[Number.parseInt(message.slice(branchAt, branchAt + 10), 10)];
    const outcome = phone?.receive(status, message, branchAt) ?? 'stray';
    if (!phone || outcome === 'stray') this.#counts.stray++;
    else if (outcome === 'pending') this.#counts.pending.add(performance.now() - phone.startedAt);
    else {
      if (outcome === 'done') this.#done(performance.now(), phone);
      else this.#counts.wrongAnswer(outcome.wrong);
      this.#over(phone);
    }
  }

  #done(now: number, phone: UserAgent): void {
    this.#counts.done++;
    if (now <= this.#endsAt) this.#counts.doneInTime++;
    this.#counts.latency.add(now - phone.startedAt);
  }
}
