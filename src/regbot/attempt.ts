import { CHALLENGE_HEADERS, isChallenge, MAX_ANSWERS } from '../digest/client.ts';
import { Unavailable } from '../ports/errors.ts';
import { NameError } from '../ports/next-hops.ts';
import { addressOn } from '../sip/hostports.ts';
import { familyOf } from '../sip/ip.ts';
import { headerValues, type SipResponse } from '../sip/message.ts';
import { type NextHop, noSocket } from '../sip/next-hop.ts';
import { routeOf } from '../sip/route.ts';
import { SipSyntaxError } from '../sip/syntax.ts';
import { parseUri } from '../sip/uri.ts';
import { hopKey } from './avoided-targets.ts';
import { equalUris } from './contact.ts';
import { noAnswer, REDIRECTED_AGAIN, refusal, unresolved } from './failures.ts';
import { composeRegister, registrarUri } from './request.ts';
import { grantedExpires, minExpires, type Redirect, redirectsOf, retryAfter } from './response.ts';
import type { Abandoned, AttemptContext, Failed, Granted, Outcome, Task } from './task.ts';

/** Slightly longer than Timer F (RFC 3261 17.1.2.2), after which the SIP server itself answers 408. */
const REQUEST_MS = 33_000;
/** Times that one target may raise the expiry by 423. */
const MAX_RAISES = 2;
/** Per target: the initial request, then one for each 407, 401 and 423 that is followed. */
const MAX_REQUESTS = 1 + 2 * MAX_ANSWERS + MAX_RAISES;
const MAX_TARGETS = 8;
const MAX_REDIRECTS = 8;
/** A binding about to expire does not shorten a request further: two retransmissions by UDP. */
const MIN_REQUEST_MS = 2_000;
/** A timer may be early by this much. */
const TIMER_SLACK_MS = 50;

const ABANDONED: Abandoned = { kind: 'abandoned' };

interface FinalResponse {
  readonly kind: 'response';
  readonly response: SipResponse;
  readonly contact: string;
  readonly replacing: boolean;
  readonly sentAt: number;
  readonly why?: string;
}

type Destination = Redirect;

/** Carries out a task. Never throws: an unexpected error is logged and counts as a failure. */
export async function attempt(context: AttemptContext, task: Task): Promise<Outcome> {
  try {
    return await new Attempt(context, task).run();
  } catch (error) {
    if (error instanceof NameError || error instanceof Unavailable) return unresolved(error);
    if (error instanceof SipSyntaxError)
      return { kind: 'failed', reason: `its settings make no valid request: ${error.message}`, ourFault: false };
    const why = error instanceof Error ? error.stack : String(error);
    context.logger.error({ why, gateway: task.trunk.gatewaySid }, 'registration attempt');
    return { kind: 'failed', reason: 'internal error', ourFault: true };
  }
}

class Attempt {
  readonly #end: number;
  #expires: number;

  constructor(
    private readonly context: AttemptContext,
    private readonly task: Task,
  ) {
    this.#end = context.timers.monotonic() + task.deadlineMs;
    this.#expires = task.expires;
  }

  async run(): Promise<Outcome> {
    const { trunk } = this.task;
    const first: Destination = { uri: registrarUri(trunk), ...routeOf(trunk) };
    const tried = new Set<string>();
    const result = await this.#try(first, tried);
    if (!('redirects' in result)) return result;
    let last: Outcome = REDIRECTED_AGAIN;
    for (const redirect of result.redirects.slice(0, MAX_REDIRECTS)) {
      if (this.context.timers.monotonic() >= this.#end) break;
      last = await this.#follow(redirect, tried);
      if (last.kind !== 'failed') break;
    }
    return last;
  }

  async #follow(redirect: Redirect, tried: Set<string>): Promise<Outcome> {
    try {
      const result = await this.#try(redirect, tried);
      return 'redirects' in result ? REDIRECTED_AGAIN : result;
    } catch (error) {
      if (error instanceof NameError || error instanceof Unavailable) return unresolved(error);
      throw error;
    }
  }

  /** Tries the targets of a destination in turn until one answers (RFC 3263 4.3). */
  async #try(destination: Destination, tried: Set<string>): Promise<Outcome | { redirects: readonly Redirect[] }> {
    const { targets, nextHops, timers, sip } = this.context;
    const resolved = await nextHops.resolve(destination.host, destination.port, destination.transport);
    const reachable = resolved.filter((hop) => sip.canReach(hop));
    const [unreachable] = resolved;
    if (reachable.length === 0 && unreachable)
      return { kind: 'failed', reason: noSocket(unreachable), ourFault: false };
    const ordered = targets.order(reachable, this.task.binding?.holder).slice(0, MAX_TARGETS);
    let last: Failed | undefined;
    for (const [i, hop] of ordered.entries()) {
      const key = `${destination.uri} ${hopKey(hop)}`;
      if (tried.has(key)) continue;
      tried.add(key);
      if (timers.monotonic() >= this.#end) break;
      const result = await this.#request(destination, hop, i === ordered.length - 1);
      if (result.kind === 'abandoned') return result;
      if (result.kind === 'failed') {
        // What a target said tells more than that we could not ask another.
        last ??= result;
        continue;
      }
      const { response, why } = result;
      if (response.status === 503 || response.status === 408) {
        targets.avoid(hop, retryAfter(response));
        last = { ...refusal(response), replacing: result.replacing && !response.local };
        continue;
      }
      if (response.status >= 200 && response.status < 300) return this.#granted(result, hop, destination, resolved);
      if (response.status !== 301 && response.status !== 302)
        return { ...refusal(response, why), replacing: result.replacing };
      const redirects = redirectsOf(response, this.task.trunk);
      return redirects.length > 0 ? { redirects } : refusal(response, 'to nowhere we may follow');
    }
    return last ?? REDIRECTED_AGAIN;
  }

  /** Sends a REGISTER to one target, again with credentials or a longer expiry when it demands them. */
  async #request(
    { uri, host }: Destination,
    hop: NextHop,
    isLast: boolean,
  ): Promise<FinalResponse | Failed | Abandoned> {
    const { sip, timers } = this.context;
    const { trunk, digest, tag, userAgent, held } = this.task;
    const contact = this.task.contactAt(hop);
    const replaced = held === undefined || equalUris(parseUri(held), parseUri(contact)) ? undefined : held;
    digest.begin();
    let raises = 0;
    for (let sent = 1; ; sent++) {
      if (!this.task.isCurrent() || !this.context.mayAct()) return ABANDONED;
      const request = composeRegister(trunk, {
        uri,
        hop,
        host,
        contact,
        replaced,
        tag,
        userAgent,
        expires: this.#expires,
        cseq: this.task.nextCseq(),
        credentials: digest.credentials('REGISTER', uri),
      });
      const sentAt = timers.now();
      const deadline = this.#deadline(isLast);
      const lateAt = timers.monotonic() + deadline - TIMER_SLACK_MS;
      let response: SipResponse;
      try {
        response = await sip.request(request, deadline);
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
        if (!this.task.isCurrent()) return ABANDONED;
        const isSilent = deadline >= MIN_REQUEST_MS && deadline < REQUEST_MS && timers.monotonic() >= lateAt;
        if (!isSilent) return { kind: 'failed', reason: error.message, ourFault: true };
        response = noAnswer(deadline);
      }
      if (!this.task.isCurrent()) return ABANDONED;
      const final: FinalResponse = { kind: 'response', response, sentAt, contact, replacing: replaced !== undefined };
      if (sent === MAX_REQUESTS || timers.monotonic() >= this.#end) return final;
      if (isChallenge(response.status)) {
        const outcome = digest.challenged(
          response.status,
          headerValues(response.headers, CHALLENGE_HEADERS[response.status]),
        );
        if (outcome === 'refused') return { ...final, why: 'credentials refused' };
        if (outcome === 'unsupported') return { ...final, why: 'no challenge we can answer' };
      } else if (response.status === 423 && raises < MAX_RAISES) {
        const least = minExpires(response);
        if (least === undefined || least <= this.#expires || this.#expires === 0) return final;
        this.#expires = least;
        raises++;
      } else if (response.status !== 403 || digest.forbidden() === 'refused') return final;
    }
  }

  /**
   * Milliseconds to wait for a response. With other targets left, it is half the time until our binding expires, so that
   * they are asked before.
   */
  #deadline(isLast: boolean): number {
    const { timers } = this.context;
    const { binding } = this.task;
    const most = Math.max(1, Math.min(REQUEST_MS, this.#end - timers.monotonic()));
    const left = binding ? binding.expiresAt - timers.now() : 0;
    return isLast || left <= 0 ? most : Math.min(most, Math.max(MIN_REQUEST_MS, left / 2));
  }

  async #granted(
    { response, sentAt, contact }: FinalResponse,
    holder: NextHop,
    destination: Destination,
    resolved: readonly NextHop[],
  ): Promise<Granted | Failed | Abandoned> {
    const { trunk, isCurrent } = this.task;
    const publicAddress = addressOn(this.context.sip.hostports, holder.transport, familyOf(holder.address));
    const expires = grantedExpires(response, { contact, publicAddress }, this.#expires);
    if (expires === 0 && this.#expires > 0) return refusal(response, 'but our Contact is not bound');
    const ephemeral = trunk.trunkType === 'reg' && this.#expires > 0;
    const addresses = ephemeral ? await this.#gatewayAddresses(destination, resolved) : undefined;
    if (!isCurrent()) return ABANDONED;
    return {
      kind: 'granted',
      contact,
      expires,
      requestedExpires: this.#expires,
      reason: `${response.status} ${response.reason}`,
      sentAt,
      holder,
      ...(addresses && { addresses }),
    };
  }

  /** The addresses of the gateway itself, since its calls do not come from a proxy or redirect target. */
  async #gatewayAddresses(
    { host, port, transport }: Destination,
    resolved: readonly NextHop[],
  ): Promise<readonly string[] | undefined> {
    const { trunk } = this.task;
    try {
      const isGateway = host === trunk.host && port === trunk.port && transport === trunk.transport;
      const hops = isGateway ? resolved : await this.context.nextHops.resolve(trunk.host, trunk.port, trunk.transport);
      return hops.map((hop) => hop.address);
    } catch (error) {
      if (!(error instanceof NameError || error instanceof Unavailable)) throw error;
      // An outage of the DNS is logged there.
      this.context.logger[error instanceof Unavailable ? 'debug' : 'warn'](
        { why: error.message, gateway: trunk.gatewaySid, host: trunk.host },
        'gateway addresses',
      );
      return undefined;
    }
  }
}
