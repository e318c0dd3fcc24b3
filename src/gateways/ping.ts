import type { Gateway } from '../ports/carriers.ts';
import { Unavailable } from '../ports/errors.ts';
import { NameError, type NextHops } from '../ports/next-hops.ts';
import type { OutboundRequest, SipClient } from '../ports/sip-server.ts';
import { addressOn } from '../sip/hostports.ts';
import { bracketed, familyOf } from '../sip/ip.ts';
import type { SipResponse } from '../sip/message.ts';
import { type NextHop, noSocket } from '../sip/next-hop.ts';
import { peerNames, type Route, routeOf } from '../sip/route.ts';
import { SipSyntaxError } from '../sip/syntax.ts';
import { provesLife } from './proves-life.ts';

/** Longer than Timer F (RFC 3261 17.1.2.2, 32 s): when it passes, the SIP server has failed, not the gateway. */
const RESPONSE_TIMEOUT_MS = 34_000;
const MAX_TARGETS = 3;
const FROM_USER = 'sbc-sip-sidecar';

export interface PingPorts {
  readonly sip: SipClient;
  readonly nextHops: NextHops;
  readonly userAgent: string;
  readonly timers: { now(): number };
}

export interface PingOutcome {
  readonly alive: boolean;
  /** Status and reason phrase, or an error. */
  readonly summary: string;
  /** The gateway's own response and its round-trip time; absent when the SIP server made the response. */
  readonly response?: { readonly status: number; readonly rttMs: number };
}

/** No OPTIONS was sent, and none will be until a setting changes; says nothing about the gateway. */
export class NotPinged extends Error {
  override readonly name = 'NotPinged';
}

/**
 * Sends an OPTIONS to the targets of a gateway, or of its outbound proxy, in turn (RFC 3263 4.3) until one is alive.
 * @returns the outcome of the last target tried
 * @throws Unavailable when our own side fails: the SIP server or the DNS
 * @throws NotPinged when its settings are invalid, or no listener of ours leads to any target
 */
export async function ping(gateway: Gateway, ports: PingPorts): Promise<PingOutcome> {
  const route = tryRoute(gateway);
  let targets: readonly NextHop[];
  try {
    targets = await ports.nextHops.resolve(route.host, route.port, route.transport);
  } catch (error) {
    if (!(error instanceof NameError)) throw error;
    return { alive: false, summary: error.message };
  }
  const reachable = targets.filter((target) => ports.sip.canReach(target));
  const [unreachable] = targets;
  if (reachable.length === 0 && unreachable) throw new NotPinged(noSocket(unreachable));

  let outcome: PingOutcome = { alive: false, summary: `${route.host} has no address` };
  let failure: Unavailable | undefined;
  for (const target of reachable.slice(0, MAX_TARGETS)) {
    try {
      outcome = await pingTarget(gateway, route, target, ports);
      if (outcome.alive) return outcome;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      failure = error;
    }
  }
  if (failure) throw failure;
  return outcome;
}

function tryRoute(gateway: Gateway): Route {
  try {
    return routeOf(gateway);
  } catch (error) {
    if (!(error instanceof SipSyntaxError)) throw error;
    throw new NotPinged(error.message, { cause: error });
  }
}

async function pingTarget(
  gateway: Gateway,
  route: Route,
  target: NextHop,
  { sip, userAgent, timers }: PingPorts,
): Promise<PingOutcome> {
  const start = timers.now();
  const request = optionsRequest(gateway, route, target, sip.hostports, userAgent);
  const response = await sip.request(request, RESPONSE_TIMEOUT_MS);
  const rttMs = timers.now() - start;
  const outcome: PingOutcome = { alive: provesLife(response), summary: summarize(response) };
  return response.local ? outcome : { ...outcome, response: { status: response.status, rttMs } };
}

function optionsRequest(
  gateway: Gateway,
  route: Route,
  target: NextHop,
  hostports: string,
  userAgent: string,
): OutboundRequest {
  const uri = gatewayUri(gateway);
  // A reserved name (RFC 2606), in case the SIP server has not reported what it listens on.
  const own = addressOn(hostports, target.transport, familyOf(target.address)) ?? 'sidecar.invalid';
  return {
    method: 'OPTIONS',
    uri,
    nextHop: target,
    ...peerNames(route.host, gateway.host),
    headers: {
      // Some servers do not answer a From without a user.
      From: `<sip:${FROM_USER}@${own}>`,
      To: `<${uri}>`,
      Accept: 'application/sdp',
      'User-Agent': userAgent,
    },
  };
}

/** The Request-URI. A SIPS URI implies TLS (RFC 3261 26.2.2). */
function gatewayUri({ host, port, transport, sips }: Gateway): string {
  const hostport = `${bracketed(host)}${port === undefined ? '' : `:${port}`}`;
  if (sips) return `sips:${hostport}`;
  return `sip:${hostport}${transport === 'udp' ? '' : `;transport=${transport}`}`;
}

function summarize({ status, reason, local, why }: SipResponse): string {
  const statusLine = `${status} ${reason}`.trim();
  if (!local) return statusLine;
  const cause = why === undefined ? statusLine : `${statusLine}, ${why}`;
  return status === 408 ? `no answer (${cause})` : `not reached (${cause})`;
}
