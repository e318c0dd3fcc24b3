import { randomBytes } from 'node:crypto';
import { DigestAnswers } from '../digest/answer.ts';
import { background } from '../lib/background.ts';
import type { Timer } from '../lib/timers.ts';
import type { RegisterStatus, Trunk } from '../ports/carriers.ts';
import { Unavailable } from '../ports/errors.ts';
import type { OutboundTransport } from '../sip/next-hop.ts';
import { type AttemptWorld, attempt, type Failed, type Granted, type Outcome } from './attempt.ts';
import { contactUri } from './contact.ts';
import { refreshDelay, retryDelay } from './delays.ts';
import type { Pace, Paced } from './pace.ts';
import { type Action, type Event, type State, TABLE } from './states.ts';

export interface RegistrationSettings {
  /** Asked for, seconds. */
  readonly defaultExpires: number;
  /** Shorter grants are taken for this, seconds. */
  readonly minExpires: number;
  readonly contactUseIp: boolean;
  readonly userAgent: string;
  /** The longest wait after a failure, seconds. */
  readonly failureRetrySeconds: number;
  /** So many answers in a row out of `removeCodes` end it. */
  readonly failureThreshold: number;
  readonly removeCodes: readonly number[];
}

/** What a registration wants of the fleet it belongs to. None of it throws but `disable`. */
export interface RegistrationEvents {
  status(trunk: Trunk, status: RegisterStatus): void;
  /** These addresses are the carrier's until then, milliseconds since the epoch. */
  hold(trunk: Trunk, addresses: readonly string[], expiresAt: number): void;
  /** No address is the carrier's any more on account of this one. */
  letGo(trunk: Trunk): void;
  /** @throws Unavailable */
  disable(trunk: Trunk): Promise<void>;
  /** It has stopped and will do nothing more. */
  gone(trunk: Trunk): void;
}

export interface RegistrationWorld extends AttemptWorld {
  readonly settings: RegistrationSettings;
  readonly events: RegistrationEvents;
  readonly pace: Pace;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** system_information.sip_domain_name */
  readonly sipDomain: string | undefined;
}

/** A whole try, over all targets, milliseconds. */
const ATTEMPT_MS = 120_000;
/** Un-registering is a courtesy. */
const LEAVE_MS = 5_000;
const DISABLE_RETRY_MS = 30_000;
/**
 * The CSeq of a Call-ID must rise over restarts (RFC 3261 10.2): it is never below the seconds since this moment, which
 * stay below 2^31 until 2093.
 */
const CSEQ_EPOCH_MS = Date.UTC(2025, 0, 1);

/** What `trunk list` shows of a registration; times in milliseconds since the epoch. */
export interface RegistrationView {
  /** Its name. */
  readonly carrier: string;
  readonly carrierSid: string;
  /** The sid, which is the Call-ID too. */
  readonly gateway: string;
  readonly host: string;
  readonly port: number | undefined;
  readonly transport: OutboundTransport;
  readonly realm: string;
  readonly username: string;
  readonly trunkType: Trunk['trunkType'];
  readonly state: State;
  /** When it came into this state. */
  readonly since: number;
  /** Until when the carrier has us, if it has. */
  readonly expiresAt: number | undefined;
  /** The last answer, or what went wrong. */
  readonly lastReason: string | undefined;
  /** When it is refreshed or tried again. */
  readonly nextTryAt: number | undefined;
  /** In a row. */
  readonly failures: number;
  /** Of the last request; 0 before it. */
  readonly cseq: number;
}

/**
 * One registration at a carrier (RFC 3261 10.2), from its start until it is removed or we stop. What can happen to it is
 * the table in states.ts.
 */
export class Registration implements Paced {
  #state: State = 'queued';
  #since: number;
  #trunk: Trunk;
  #answers: DigestAnswers;
  #cseq = 0;
  /** Above the default after a 423, seconds. */
  #asked: number;
  #expiresAt: number | undefined;
  #lastReason: string | undefined;
  #failures = 0;
  /** Of `#failures`, whether they were ours: each kind is counted from its own first. */
  #ours = false;
  /** Answers in a row that are in `removeCodes`. */
  #refusals = 0;
  #disabledAt: number | undefined;
  /** Counts attempts and what puts an end to one: the answers of an older one are not heard. */
  #run = 0;
  #timer: Timer | undefined;
  #nextTryAt: number | undefined;

  constructor(
    private readonly world: RegistrationWorld,
    trunk: Trunk,
  ) {
    this.#trunk = trunk;
    this.#answers = new DigestAnswers(trunk.username, trunk.password ?? '');
    this.#asked = this.#defaultExpires;
    this.#since = world.timers.now();
    world.pace.add(this);
  }

  get trunk(): Trunk {
    return this.#trunk;
  }

  /** Since when the directory knows that we gave up, milliseconds since the epoch. */
  get disabledAt(): number | undefined {
    return this.#state === 'disabled' ? this.#disabledAt : undefined;
  }

  get leaving(): boolean {
    return this.#state === 'leaving';
  }

  /** The pace's. */
  turn(): void {
    this.#on('turn');
  }

  /** Registers anew, with the same Call-ID; what is registered stays so until then. */
  change(trunk: Trunk): void {
    if (trunk.trunkType !== 'reg' || trunk.carrierSid !== this.#trunk.carrierSid) this.#do('letGo');
    this.#trunk = trunk;
    this.#answers = new DigestAnswers(trunk.username, trunk.password ?? '');
    this.#asked = this.#defaultExpires;
    this.#failures = 0;
    this.#refusals = 0;
    this.#disabledAt = undefined;
    this.#on('changed');
  }

  /** Un-registers where there is something to end, then is gone. */
  remove(): void {
    this.#on('removed');
  }

  /** Says and hears nothing more; the carrier keeps us until its time is over. */
  stop(): void {
    this.#on('stop');
  }

  view(): RegistrationView {
    const { carrierName, carrierSid, gatewaySid, host, port, transport, realm, username, trunkType } = this.#trunk;
    return {
      ...{ carrier: carrierName, carrierSid, gateway: gatewaySid, host, port, transport, realm, username, trunkType },
      state: this.#state,
      since: this.#since,
      expiresAt: this.#boundUntil,
      lastReason: this.#lastReason,
      nextTryAt: this.#nextTryAt,
      failures: this.#failures,
      cseq: this.#cseq,
    };
  }

  get #defaultExpires(): number {
    return Math.max(this.world.settings.defaultExpires, 1);
  }

  get #boundUntil(): number | undefined {
    return this.#expiresAt !== undefined && this.#expiresAt > this.world.timers.now() ? this.#expiresAt : undefined;
  }

  #on(event: Event, outcome?: Outcome): void {
    const [next, ...actions] = TABLE[this.#state][event] ?? [];
    if (next === undefined) return;
    const underWay = this.#state === 'registering' || this.#state === 'refreshing';
    if (next !== this.#state) this.#since = this.world.timers.now();
    this.#state = next;
    this.#run++;
    this.#clearTimer();
    for (const action of actions) this.#do(action, outcome, underWay);
  }

  #do(action: Action, outcome?: Outcome, underWay = false): void {
    const { events, pace, logger } = this.world;
    switch (action) {
      case 'enqueue':
        pace.add(this);
        break;
      case 'attempt':
        background(logger, 'registration attempt', () => this.#attempt());
        break;
      case 'keep':
        if (outcome?.kind === 'granted') this.#keep(outcome);
        break;
      case 'retryLater':
        if (outcome?.kind === 'failed') this.#retryLater(outcome);
        break;
      case 'disable':
        background(logger, 'disabling of a carrier', () => this.#disable());
        break;
      case 'leave':
        // A request under way may yet be granted.
        if (underWay || this.#boundUntil !== undefined) pace.add(this);
        else this.#on('left');
        break;
      case 'letGo':
        events.letGo(this.#trunk);
        break;
      case 'forget':
        events.gone(this.#trunk);
        break;
      case 'end':
        this.#expiresAt = undefined;
        break;
    }
  }

  async #attempt(): Promise<void> {
    const { world } = this;
    const leaving = this.leaving;
    const run = this.#run;
    const outcome = await attempt(world, {
      trunk: this.#trunk,
      contact: contactUri(this.#trunk, {
        ...world.settings,
        hostports: world.sip.hostports,
        sipDomain: world.sipDomain,
      }),
      expires: leaving ? 0 : this.#asked,
      userAgent: world.settings.userAgent,
      tag: randomBytes(8).toString('hex'),
      answers: this.#answers,
      deadlineMs: leaving ? LEAVE_MS : ATTEMPT_MS,
      nextCseq: () => this.#nextCseq(),
      wanted: () => run === this.#run,
    });
    if (run !== this.#run || outcome.kind === 'dropped') return;
    if (leaving) {
      const level = outcome.kind === 'granted' ? 'info' : 'warn';
      world.logger[level]({ ...this.#names(), reason: outcome.reason }, 'un-registered');
      this.#on('left');
    } else if (outcome.kind === 'granted') this.#on('granted', outcome);
    else this.#fail(outcome);
  }

  #keep({ reason, asked, expires, sentAt, addresses }: Granted): void {
    const { settings, random, events, logger } = this.world;
    const granted = Math.max(expires, settings.minExpires, 1);
    const isNews = this.#lastReason === undefined || this.#failures > 0;
    this.#asked = asked;
    this.#failures = 0;
    this.#refusals = 0;
    this.#lastReason = reason;
    this.#expiresAt = sentAt + granted * 1000;
    logger[isNews ? 'info' : 'debug']({ ...this.#names(), expires: granted }, 'registered');
    if (addresses) events.hold(this.#trunk, addresses, this.#expiresAt);
    this.#report('ok', granted);
    this.#arm(refreshDelay(granted, random));
  }

  #fail(failure: Failed): void {
    const { settings, logger } = this.world;
    const { status, reason, ours } = failure;
    if (status !== undefined) this.#refusals = settings.removeCodes.includes(status) ? this.#refusals + 1 : 0;
    this.#failures = ours === this.#ours ? this.#failures + 1 : 1;
    this.#ours = ours;
    const isNews = reason !== this.#lastReason;
    this.#lastReason = reason;
    logger[isNews ? 'warn' : 'debug']({ ...this.#names(), reason, failures: this.#failures }, 'registration failed');
    this.#report('fail');
    this.#on(this.#refusals >= settings.failureThreshold ? 'refused' : 'failed', failure);
  }

  #retryLater(failure: Failed): void {
    const { settings, random } = this.world;
    this.#arm(retryDelay(failure, this.#failures, settings.failureRetrySeconds, random));
  }

  async #disable(): Promise<void> {
    const { events, logger, timers } = this.world;
    const run = this.#run;
    try {
      await events.disable(this.#trunk);
      this.#disabledAt = timers.now();
    } catch (error) {
      if (run === this.#run) this.#arm(DISABLE_RETRY_MS);
      if (!(error instanceof Unavailable)) throw error;
      logger.warn({ ...this.#names(), why: error.message }, 'carrier not disabled in the database, trying again');
    }
  }

  #report(status: RegisterStatus['status'], expires?: number): void {
    this.world.events.status(this.#trunk, {
      status,
      reason: this.#lastReason ?? '',
      cseq: `${this.#cseq} REGISTER`,
      callId: this.#trunk.gatewaySid,
      timestamp: new Date(this.world.timers.now()).toISOString(),
      ...(expires !== undefined && { expires }),
    });
  }

  #nextCseq(): number {
    const seconds = Math.floor((this.world.timers.now() - CSEQ_EPOCH_MS) / 1000);
    this.#cseq = Math.max(this.#cseq + 1, seconds);
    return this.#cseq;
  }

  #names() {
    const { carrierName: carrier, gatewaySid: gateway, host } = this.#trunk;
    return { carrier, gateway, host };
  }

  #arm(ms: number): void {
    this.#nextTryAt = this.world.timers.now() + ms;
    this.#timer = this.world.timers.after(ms, () => this.#on('due'));
  }

  #clearTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#nextTryAt = undefined;
  }
}
