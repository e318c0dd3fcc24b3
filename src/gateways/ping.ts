import type { Gateway } from '../ports/carriers.ts';
import type { NextHops } from '../ports/next-hops.ts';
import { NameError } from '../ports/next-hops.ts';
import type { OutboundRequest, SipClient } from '../ports/sip-server.ts';
import { addressOn } from '../sip/hostports.ts';
import { bracketed } from '../sip/ip.ts';
import type { SipResponse } from '../sip/message.ts';
import type { NextHop } from '../sip/next-hop.ts';
import { provesLife } from './proves-life.ts';

/** Longer than Timer F (RFC 3261 17.1.2.2, 32 s): when it passes, the SIP server has failed, not the gateway. */
export const RESPONSE_TIMEOUT_MS = 34_000;
const MAX_TARGETS = 3;

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

/**
 * Sends an OPTIONS to the targets of a gateway in turn (RFC 3263 4.3) until one is alive.
 * @returns the outcome of the last target tried
 * @throws Unavailable when our own side fails: the SIP server or the DNS
 */
export async function ping(gateway: Gateway, ports: PingPorts): Promise<PingOutcome> {
  let targets: readonly NextHop[];
  try {
    targets = await ports.nextHops.resolve(gateway.host, gateway.port, gateway.transport);
  } catch (error) {
    if (!(error instanceof NameError)) throw error;
    return { alive: false, summary: error.message };
  }
  let outcome: PingOutcome = { alive: false, summary: `${gateway.host} has no address` };
  for (const target of targets.slice(0, MAX_TARGETS)) {
    outcome = await pingTarget(gateway, target, ports);
    if (outcome.alive) return outcome;
  }
  return outcome;
}

async function pingTarget(
  gateway: Gateway,
  target: NextHop,
  { sip, userAgent, timers }: PingPorts,
): Promise<PingOutcome> {
  const start = timers.now();
  const response = await sip.request(optionsRequest(gateway, target, sip.hostports, userAgent), RESPONSE_TIMEOUT_MS);
  const rttMs = timers.now() - start;
  const outcome: PingOutcome = { alive: provesLife(response), summary: summarize(response) };
  return response.local ? outcome : { ...outcome, response: { status: response.status, rttMs } };
}

function optionsRequest(gateway: Gateway, target: NextHop, hostports: string, userAgent: string): OutboundRequest {
  const uri = gatewayUri(gateway);
  // A reserved name (RFC 2606), in case the SIP server has not reported what it listens on.
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

/** The Request-URI. A SIPS URI implies TLS (RFC 3261 26.2.2). */
function gatewayUri({ host, port, transport, sips }: Gateway): string {
  const hostport = `${bracketed(host)}${port === undefined ? '' : `:${port}`}`;
  if (sips) return `sips:${hostport}`;
  return `sip:${hostport}${transport === 'udp' ? '' : `;transport=${transport}`}`;
}

function summarize({ status, reason, local }: SipResponse): string {
  const statusLine = `${status} ${reason}`.trim();
  if (!local) return statusLine;
  return status === 408 ? `no answer (${statusLine})` : `not reached (${statusLine})`;
}
