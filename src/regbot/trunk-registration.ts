import { randomBytes } from 'node:crypto';
import { DigestClient } from '../digest/client.ts';
import { background } from '../lib/background.ts';
import type { Timer } from '../lib/timers.ts';
import type { RegisterStatus, Trunk } from '../ports/carriers.ts';
import type { NextHop } from '../sip/next-hop.ts';
import { contactUri } from './contact.ts';
import { refreshDelay, retryDelay } from './delays.ts';
import { FailureStreaks } from './failure-streaks.ts';
import type { Paced } from './pace.ts';
import { register, type Subject, unregister } from './registering.ts';
import type { TrunkRegistrationContext, TrunkRegistrationView } from './registration-context.ts';
import { type Action, type Event, type State, TABLE } from './states.ts';
import type { Binding, Failed, Granted, Outcome } from './task.ts';

const DISABLE_RETRY_MS = 30_000;

/** Where a registration is, and as whom: a change of one of these is another registration. */
const PLACE = [
  'host',
  'port',
  'transport',
  'sips',
  'outboundProxy',
  'realm',
  'username',
  'fromUser',
  'fromDomain',
] as const satisfies readonly (keyof Trunk)[];

/** The states that are news: a refresh is none, nor the loss of the lead. */
const REPORTED: ReadonlySet<State> = new Set<State>(['registered', 'failing', 'disabled', 'leaving']);

/** Our registration at a carrier (RFC 3261 10.2), a state machine whose transitions are in states.ts. */
export class TrunkRegistration implements Paced {
  #state: State = 'queued';
  #since: number;
  #trunk: Trunk;
  /** Changed settings, until they are adopted. */
  #next: Trunk | undefined;
  #digest: DigestClient;
  #cseq = 0;
  /** Seconds; raised by a 423. */
  #requestedExpires: number;
  #expiresAt: number | undefined;
  /** A REGISTER was sent whose outcome is not known. */
  #unsettled = false;
  /** The target that granted it last. */
  #holder: NextHop | undefined;
  #lastReason: string | undefined;
  /** The last state that was reported as a change. */
  #announced: State | undefined;
  readonly #streaks: FailureStreaks;
  #disabledAt: number | undefined;
  /** Incremented at each transition; an attempt started at an earlier value is ignored. */
  #run = 0;
  #timer: Timer | undefined;
  #nextTryAt: number | undefined;

  constructor(
    private readonly context: TrunkRegistrationContext,
    trunk: Trunk,
  ) {
    this.#trunk = trunk;
    this.#digest = new DigestClient(trunk.username, trunk.password ?? '');
    this.#requestedExpires = this.#defaultExpires;
    this.#streaks = new FailureStreaks(context.settings.removeCodes);
    this.#since = context.timers.now();
    context.pace.add(this);
  }

  /** Its latest settings. */
  get trunk(): Trunk {
    return this.#next ?? this.#trunk;
  }

  /** When the directory recorded that we gave up, milliseconds since the epoch. */
  get disabledAt(): number | undefined {
    return this.#state === 'disabled' ? this.#disabledAt : undefined;
  }

  get leaving(): boolean {
    return this.#state === 'leaving';
  }

  turn(): void {
    this.#on('turn');
  }

  /**
   * Registers again with the same Call-ID. The current registration stays until then, unless its registrar, AOR or
   * username is another now: then it is un-registered first.
   */
  change(trunk: Trunk): void {
    if (trunk.trunkType !== 'reg' || trunk.carrierSid !== this.#trunk.carrierSid) this.#do('releaseAddresses');
    this.#next = trunk;
    this.#on(PLACE.some((name) => trunk[name] !== this.#trunk[name]) ? 'moved' : 'changed');
  }

  /** Un-registers if registered, then reports `gone`. */
  remove(): void {
    this.#next = undefined;
    this.#on('removed');
  }

  /** Stops without un-registering. */
  stop(): void {
    this.#on('stop');
  }

  view(): TrunkRegistrationView {
    const { carrierName, carrierSid, gatewaySid, host, port, transport, realm, username, trunkType } = this.#trunk;
    return {
      carrier: carrierName,
      carrierSid,
      gateway: gatewaySid,
      host,
      port,
      transport,
      realm,
      username,
      trunkType,
      state: this.#state,
      since: this.#since,
      expiresAt: this.#boundUntil,
      lastReason: this.#lastReason,
      nextTryAt: this.#nextTryAt,
      failures: this.#streaks.failures,
      cseq: this.#cseq,
    };
  }

  get #defaultExpires(): number {
    return Math.max(this.context.settings.defaultExpires, 1);
  }

  get #boundUntil(): number | undefined {
    return this.#expiresAt !== undefined && this.#expiresAt > this.context.timers.now() ? this.#expiresAt : undefined;
  }

  get #binding(): Binding | undefined {
    const expiresAt = this.#boundUntil;
    return this.#holder && expiresAt !== undefined ? { holder: this.#holder, expiresAt } : undefined;
  }

  #on(event: Event, outcome?: Outcome): void {
    const [next, ...actions] = TABLE[this.#state][event] ?? [];
    if (next === undefined) return;
    if (next !== this.#state) this.#since = this.context.timers.now();
    this.#state = next;
    this.#run++;
    this.#clearTimer();
    for (const action of actions) this.#do(action, outcome);
    this.#announce();
  }

  #announce(): void {
    if (!REPORTED.has(this.#state) || this.#state === this.#announced) return;
    this.#announced = this.#state;
    this.context.events.changed(this.view());
  }

  #do(action: Action, outcome?: Outcome): void {
    const { events, pace, contacts, logger, timers } = this.context;
    switch (action) {
      case 'enqueue':
        pace.add(this);
        break;
      case 'adopt':
        this.#adopt();
        break;
      case 'attempt':
        background(logger, 'registration attempt', () => this.#attempt(), timers);
        break;
      case 'scheduleRefresh':
        if (outcome?.kind === 'granted') this.#scheduleRefresh(outcome);
        break;
      case 'scheduleRetry':
        if (outcome?.kind === 'failed') this.#scheduleRetry(outcome);
        break;
      case 'disable':
        background(logger, 'disabling of a carrier', () => this.#disable(), timers);
        break;
      case 'unregister':
        if (this.#unsettled || contacts.of(this.#trunk) !== undefined) pace.add(this);
        else this.#on('unregistered');
        break;
      case 'releaseAddresses':
        events.releaseAddresses(this.#trunk);
        break;
      case 'forget':
        events.gone(this.#trunk, this.#disabledAt === undefined ? undefined : this.#lastReason);
        break;
      case 'clearExpiry':
        this.#expiresAt = undefined;
        break;
    }
  }

  #adopt(): void {
    if (!this.#next) return;
    this.#trunk = this.#next;
    this.#next = undefined;
    this.#digest = new DigestClient(this.#trunk.username, this.#trunk.password ?? '');
    this.#requestedExpires = this.#defaultExpires;
    this.#streaks.end();
    this.#disabledAt = undefined;
  }

  async #attempt(): Promise<void> {
    const run = this.#run;
    const unregisters = this.#state === 'leaving' || this.#state === 'moving';
    this.#unsettled = true;
    const outcome = unregisters
      ? await unregister(this.context, this.#subject)
      : await register(this.context, this.#subject, this.#requestedExpires);
    if (run !== this.#run || outcome.kind === 'abandoned') return;
    this.#unsettled = false;
    if (unregisters) {
      const { contacts, logger } = this.context;
      const level = outcome.kind === 'granted' ? 'info' : 'warn';
      logger[level]({ ...this.#names(), reason: outcome.reason }, 'un-registered');
      contacts.release(this.#trunk);
      this.#on('unregistered');
    } else if (outcome.kind === 'granted') this.#on('granted', outcome);
    else this.#fail(outcome);
  }

  /** What the requests of this run have in common. */
  get #subject(): Subject {
    const { settings, sip, sipDomain } = this.context;
    const trunk = this.#trunk;
    const run = this.#run;
    const binding = this.#binding;
    return {
      trunk,
      contactAt: ({ address }) => contactUri(trunk, address, { ...settings, hostports: sip.hostports, sipDomain }),
      userAgent: settings.userAgent,
      tag: randomBytes(8).toString('hex'),
      digest: this.#digest,
      ...(binding && { binding }),
      nextCseq: () => this.#nextCseq(),
      isCurrent: () => run === this.#run,
    };
  }

  #scheduleRefresh({ reason, requestedExpires, expires, sentAt, holder, addresses, contact }: Granted): void {
    const { settings, random, events, logger, contacts } = this.context;
    const granted = Math.max(expires, settings.minExpires, 1);
    const isNews = this.#lastReason === undefined || this.#streaks.failures > 0;
    this.#requestedExpires = requestedExpires;
    this.#streaks.end();
    this.#lastReason = reason;
    this.#expiresAt = sentAt + granted * 1000;
    contacts.hold(this.#trunk, contact, this.#expiresAt);
    this.#holder = holder;
    logger[isNews ? 'info' : 'debug']({ ...this.#names(), expires: granted }, 'registered');
    if (addresses) events.holdAddresses(this.#trunk, addresses, this.#expiresAt);
    this.#report('ok', granted);
    this.#arm(refreshDelay(granted, random));
  }

  #fail(failure: Failed): void {
    const { settings, logger } = this.context;
    const { reason } = failure;
    this.#streaks.add(failure);
    const { failures, refusals } = this.#streaks;
    const isNews = reason !== this.#lastReason;
    this.#lastReason = reason;
    logger[isNews ? 'warn' : 'debug']({ ...this.#names(), reason, failures }, 'registration failed');
    this.#report('fail');
    if (this.#boundUntil === undefined) this.#do('releaseAddresses');
    this.#on(refusals >= settings.failureThreshold ? 'refused' : 'failed', failure);
  }

  #scheduleRetry(failure: Failed): void {
    const { settings, random } = this.context;
    this.#arm(retryDelay(failure, this.#streaks.failures, settings.failureRetrySeconds, random));
  }

  async #disable(): Promise<void> {
    const { events, timers } = this.context;
    const run = this.#run;
    try {
      await events.disable(this.#trunk, this.#lastReason ?? '');
      this.#disabledAt = timers.now();
    } catch (error) {
      if (run === this.#run) this.#arm(DISABLE_RETRY_MS);
      throw error;
    }
  }

  #report(status: RegisterStatus['status'], expires?: number): void {
    this.context.events.status(this.#trunk, {
      status,
      reason: this.#lastReason ?? '',
      cseq: `${this.#cseq} REGISTER`,
      callId: this.#trunk.gatewaySid,
      timestamp: new Date(this.context.timers.now()).toISOString(),
      ...(expires !== undefined && { expires }),
    });
  }

  #nextCseq(): number {
    this.#cseq = this.context.cseqs.next(this.#trunk.gatewaySid);
    return this.#cseq;
  }

  #names() {
    const { carrierName: carrier, gatewaySid: gateway, host } = this.#trunk;
    return { carrier, gateway, registrar: host };
  }

  #arm(ms: number): void {
    this.#nextTryAt = this.context.timers.now() + ms;
    this.#timer = this.context.timers.after(ms, () => this.#on('due'));
  }

  #clearTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#nextTryAt = undefined;
  }
}
