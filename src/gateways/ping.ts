import type { Gateway } from '../ports/carriers.ts';
import type { NextHops } from '../ports/next-hops.ts';
import { NameError } from '../ports/next-hops.ts';
import type { OutboundRequest, SipClient } from '../ports/sip-server.ts';
import { addressOn } from '../sip/hostports.ts';
import { bracketed } from '../sip/ip.ts';
import type { SipResponse } from '../sip/message.ts';
import type { NextHop } from '../sip/next-hop.ts';
import { provesLife } from './verdict.ts';

/**
 * Longer than a SIP server itself waits for an answer (RFC 3261 17.1.2.2: timer F, 32 s), milliseconds. What takes longer
 * is the server's failure, not the gateway's.
 */
export const ANSWER_TIMEOUT_MS = 34_000;
/** Targets of one gateway that are tried. */
const MAX_TARGETS = 3;

export interface PingPorts {
  readonly sip: SipClient;
  readonly nextHops: NextHops;
  /** For the User-Agent header. */
  readonly userAgent: string;
  readonly timers: { now(): number };
}

export interface PingOutcome {
  readonly alive: boolean;
  /** The status and reason, or what went wrong. */
  readonly what: string;
  /** The gateway's own answer, and how many milliseconds it took; absent when it was the SIP server that spoke. */
  readonly answer?: { readonly status: number; readonly rttMs: number };
}

/**
 * Sends an OPTIONS to a gateway: to its targets in turn (RFC 3263 4.3), until one proves to be alive.
 * @returns what the one that is alive said, else the last one
 * @throws Unavailable when it is our own side that fails: the SIP server or the DNS
 */
export async function ping(gateway: Gateway, ports: PingPorts): Promise<PingOutcome> {
  let targets: readonly NextHop[];
  try {
    targets = await ports.nextHops.resolve(gateway.host, gateway.port, gateway.transport);
  } catch (error) {
    if (!(error instanceof NameError)) throw error;
    return { alive: false, what: error.message };
  }
  let outcome: PingOutcome = { alive: false, what: `${gateway.host} has no address` };
  for (const target of targets.slice(0, MAX_TARGETS)) {
    outcome = await pingTarget(gateway, target, ports);
    if (outcome.alive) return outcome;
  }
  return outcome;
}

async function pingTarget(gateway: Gateway, target: NextHop, { sip, userAgent, timers }: PingPorts) {
  const start = timers.now();
  const response = await sip.request(optionsRequest(gateway, target, sip.hostports, userAgent), ANSWER_TIMEOUT_MS);
  const rttMs = timers.now() - start;
  return {
    alive: provesLife(response),
    what: inWords(response),
    ...(!response.local && { answer: { status: response.status, rttMs } }),
  };
}

function optionsRequest(gateway: Gateway, target: NextHop, hostports: string, userAgent: string): OutboundRequest {
  const uri = gatewayUri(gateway);
  // RFC 2606 keeps that name free of owners; it stands where the SIP server did not say what it listens on.
  const own = addressOn(hostports, target.transport) ?? 'sidecar.invalid';
  return {
    method: 'OPTIONS',
    uri,
    nextHop: target,
    headers: {
      From: `<sip:${own}>`,
      To: `<${uri}>`,
      Accept: 'application/sdp',
      'User-Agent': userAgent,
    },
  };
}

/** The Request-URI. A SIPS one says nothing of a transport: it is TLS (RFC 3261 26.2.2). */
function gatewayUri({ host, port, transport, sips }: Gateway): string {
  const hostport = `${bracketed(host)}${port === undefined ? '' : `:${port}`}`;
  if (sips) return `sips:${hostport}`;
  return `sip:${hostport}${transport === 'udp' ? '' : `;transport=${transport}`}`;
}

function inWords({ status, reason, local }: SipResponse): string {
  const words = `${status} ${reason}`.trim();
  if (!local) return words;
  return status === 408 ? `no answer (${words})` : `not reached (${words})`;
}
