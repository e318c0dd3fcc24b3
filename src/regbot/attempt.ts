import { CHALLENGE_HEADERS, type DigestClient, isChallenge } from '../digest/client.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timers } from '../lib/timers.ts';
import type { Trunk } from '../ports/carriers.ts';
import { Unavailable } from '../ports/errors.ts';
import { NameError, type NextHops } from '../ports/next-hops.ts';
import type { SipClient, SipResponse } from '../ports/sip-server.ts';
import type { NextHop } from '../sip/next-hop.ts';
import { SipSyntaxError } from '../sip/syntax.ts';
import { readProxy } from './contact.ts';
import { type AvoidedTargets, nameOf } from './next-targets.ts';
import { composeRegister, registrarUri } from './request.ts';
import { grantedExpires, minExpires, type Redirect, redirectOf, retryAfter } from './response.ts';

/** A little more than timer F of RFC 3261 17.1.2.2, at whose end the SIP server itself says 408. */
const REQUEST_MS = 33_000;
/** Requests to one target: 407, 401, a stale nonce of each, 423, and one to spare. */
const MAX_ROUNDS = 6;
/** More servers behind one name do not make it likelier that one answers. */
const MAX_TARGETS = 8;
const MAX_ADDRESSES = 64;

export interface AttemptWorld {
  readonly sip: SipClient;
  readonly nextHops: NextHops;
  readonly targets: AvoidedTargets;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Asked right before each request is sent. */
  mayAct(): boolean;
}

/** One try to register, or to end a registration. */
export interface Task {
  readonly trunk: Trunk;
  /** Our Contact, a URI. */
  readonly contact: string;
  /** Seconds; 0 ends the registration. */
  readonly expires: number;
  readonly userAgent: string;
  /** Of From. */
  readonly tag: string;
  readonly answers: DigestClient;
  /** After so many milliseconds no further request is sent. */
  readonly deadlineMs: number;
  nextCseq(): number;
  /** Whether anybody still wants it. */
  wanted(): boolean;
}

export type Outcome = Granted | Failed | Dropped;

export interface Granted {
  readonly kind: 'granted';
  /** As the answer says, seconds. */
  readonly expires: number;
  /** What was asked in the end: more than at first after a 423. */
  readonly asked: number;
  readonly reason: string;
  /** When the request was sent that was granted, milliseconds since the epoch. */
  readonly sentAt: number;
  /** For trunk type `reg`: all addresses of the gateway; undefined when they could not be had. */
  readonly addresses?: readonly string[];
}

export interface Failed {
  readonly kind: 'failed';
  readonly reason: string;
  /** Of the last answer, if there was one. */
  readonly status?: number;
  /** Seconds. */
  readonly retryAfter?: number;
  /** The fault is on our side: no connection to the SIP server, no DNS. */
  readonly ours: boolean;
}

/** Not finished: nobody wants it, or we may not. */
interface Dropped {
  readonly kind: 'dropped';
}

const DROPPED: Dropped = { kind: 'dropped' };

interface Answered {
  readonly kind: 'answered';
  readonly response: SipResponse;
  readonly sentAt: number;
  /** What the status alone does not tell. */
  readonly why?: string;
}

/** Where requests go, before it is resolved. */
type Destination = Redirect;

/** Never throws; what nobody foresaw is logged and a failure. */
export async function attempt(world: AttemptWorld, task: Task): Promise<Outcome> {
  try {
    return await new Attempt(world, task).run();
  } catch (error) {
    if (error instanceof NameError || error instanceof Unavailable)
      return { kind: 'failed', reason: error.message, ours: error instanceof Unavailable };
    if (error instanceof SipSyntaxError)
      return { kind: 'failed', reason: `its settings make no valid request: ${error.message}`, ours: false };
    const why = error instanceof Error ? error.stack : String(error);
    world.logger.error({ why, gateway: task.trunk.gatewaySid }, 'registration attempt');
    return { kind: 'failed', reason: 'internal error', ours: true };
  }
}

class Attempt {
  readonly #end: number;
  #asked: number;

  constructor(
    private readonly world: AttemptWorld,
    private readonly task: Task,
  ) {
    this.#end = world.timers.monotonic() + task.deadlineMs;
    this.#asked = task.expires;
  }

  async run(): Promise<Outcome> {
    const { trunk } = this.task;
    const own = trunk.outboundProxy ? readProxy(trunk.outboundProxy) : { host: trunk.host, port: trunk.port };
    const first: Destination = { uri: registrarUri(trunk), transport: trunk.transport, ...own };
    const seen = new Set<string>();
    const result = await this.#towards(first, seen);
    if (!('redirect' in result)) return result;
    const second = await this.#towards(result.redirect, seen);
    return 'redirect' in second ? NO_FURTHER : second;
  }

  /** Tries the targets of a destination until one has an answer of its own (RFC 3263 4.3). */
  async #towards(destination: Destination, seen: Set<string>): Promise<Outcome | { redirect: Redirect }> {
    const { targets, nextHops, timers } = this.world;
    const resolved = await nextHops.resolve(destination.host, destination.port, destination.transport);
    let last: Failed = NO_FURTHER;
    for (const hop of targets.order(resolved).slice(0, MAX_TARGETS)) {
      const key = `${destination.uri} ${nameOf(hop)}`;
      if (seen.has(key)) continue;
      seen.add(key);
      if (timers.monotonic() >= this.#end) break;
      const result = await this.#ask(destination.uri, hop);
      if (result.kind === 'dropped') return result;
      if (result.kind === 'failed') {
        last = result;
        continue;
      }
      const { response, why } = result;
      if (response.status === 503 || response.status === 408) {
        targets.avoid(hop, retryAfter(response));
        last = refusal(response);
        continue;
      }
      if (response.status >= 200 && response.status < 300) return this.#granted(result, destination, resolved);
      if (response.status !== 301 && response.status !== 302) return refusal(response, why);
      const redirect = redirectOf(response, this.task.trunk);
      return redirect ? { redirect } : refusal(response, 'to nowhere we may follow');
    }
    return last;
  }

  /** Asks one target, as often as it wants credentials or a longer expiry. */
  async #ask(uri: string, hop: NextHop): Promise<Answered | Failed | Dropped> {
    const { sip, timers } = this.world;
    const { trunk, answers, contact, tag, userAgent } = this.task;
    answers.begin();
    let raised = false;
    for (let round = 1; ; round++) {
      if (!this.task.wanted() || !this.world.mayAct()) return DROPPED;
      const request = composeRegister(trunk, {
        ...{ uri, hop, contact, tag, userAgent, expires: this.#asked, cseq: this.task.nextCseq() },
        credentials: answers.credentials('REGISTER', uri),
      });
      const sentAt = timers.now();
      const deadline = Math.max(1, Math.min(REQUEST_MS, this.#end - timers.monotonic()));
      let response: SipResponse;
      try {
        response = await sip.request(request, deadline);
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
        return this.task.wanted() ? { kind: 'failed', reason: error.message, ours: true } : DROPPED;
      }
      if (!this.task.wanted()) return DROPPED;
      const answer: Answered = { kind: 'answered', response, sentAt };
      if (round === MAX_ROUNDS || timers.monotonic() >= this.#end) return answer;
      if (isChallenge(response.status)) {
        const verdict = answers.challenged(response.status, response.header(CHALLENGE_HEADERS[response.status]));
        if (verdict === 'refused') return { ...answer, why: 'credentials refused' };
        if (verdict === 'unsupported') return { ...answer, why: 'no challenge we can answer' };
      } else if (response.status === 423 && !raised) {
        const least = minExpires(response);
        if (least === undefined || least <= this.#asked || this.#asked === 0) return answer;
        this.#asked = least;
        raised = true;
      } else return answer;
    }
  }

  async #granted(
    { response, sentAt }: Answered,
    destination: Destination,
    resolved: readonly NextHop[],
  ): Promise<Granted | Dropped> {
    const { trunk, contact, wanted } = this.task;
    const ephemeral = trunk.trunkType === 'reg' && this.#asked > 0;
    const addresses = ephemeral ? await this.#gatewayAddresses(destination, resolved) : undefined;
    if (!wanted()) return DROPPED;
    return {
      kind: 'granted',
      expires: grantedExpires(response, contact, this.#asked),
      asked: this.#asked,
      reason: `${response.status} ${response.reason}`,
      sentAt,
      ...(addresses && { addresses }),
    };
  }

  /** Of the gateway itself: a proxy or a redirection is not where its calls come from. */
  async #gatewayAddresses(
    { host, port }: Destination,
    resolved: readonly NextHop[],
  ): Promise<readonly string[] | undefined> {
    const { trunk } = this.task;
    try {
      const isGateway = host === trunk.host && port === trunk.port;
      const hops = isGateway ? resolved : await this.world.nextHops.resolve(trunk.host, trunk.port, trunk.transport);
      return [...new Set(hops.map((hop) => hop.address))].slice(0, MAX_ADDRESSES);
    } catch (error) {
      if (!(error instanceof NameError || error instanceof Unavailable)) throw error;
      this.world.logger.warn({ why: error.message, gateway: trunk.gatewaySid, host: trunk.host }, 'gateway addresses');
      return undefined;
    }
  }
}

const NO_FURTHER: Failed = { kind: 'failed', reason: 'redirected again', ours: false };

/** The failure that a final response other than 2xx means. */
function refusal(response: SipResponse, why?: string): Failed {
  const cause = why ?? (response.local ? LOCAL[response.status] : undefined);
  const seconds = retryAfter(response);
  return {
    kind: 'failed',
    reason: `${response.status} ${response.reason}${cause ? `, ${cause}` : ''}`,
    status: response.status,
    ours: false,
    ...(seconds !== undefined && { retryAfter: seconds }),
  };
}

const LOCAL: Readonly<Record<number, string>> = { 408: 'no answer', 503: 'cannot be reached' };
