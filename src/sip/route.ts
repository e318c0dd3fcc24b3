import { bracketed, unbracketed } from './ip.ts';
import { OUTBOUND_TRANSPORTS, type OutboundTransport } from './next-hop.ts';
import { param } from './params.ts';
import { SipSyntaxError } from './syntax.ts';
import { parseUri, type SipUri } from './uri.ts';

/** A server as it is configured, before its addresses are known. */
export interface Route {
  /** An address, IPv6 without brackets, or a DNS name. */
  readonly host: string;
  readonly port: number | undefined;
  readonly transport: OutboundTransport;
}

/** The settings of a gateway that decide where its requests go. */
export interface Routed {
  readonly host: string;
  readonly port?: number;
  readonly transport: OutboundTransport;
  /** Its Request-URIs are `sips:`. */
  readonly sips: boolean;
  readonly outboundProxy?: string;
}

/** Where the requests for a gateway go: to the outbound proxy, else to the gateway itself. @throws SipSyntaxError */
export function routeOf(gateway: Routed): Route {
  const { host, port, transport, outboundProxy } = gateway;
  return outboundProxy === undefined ? { host, port, transport } : readProxy(outboundProxy, gateway);
}

/**
 * Parses an outbound proxy setting: `host`, `host:port` or a URI. Its user part and other parameters have no effect.
 * @throws SipSyntaxError that names the proxy
 */
export function readProxy(text: string, gateway: Pick<Routed, 'transport' | 'sips'>): Route {
  const trimmed = text.trim();
  try {
    const uri = parseUri(/^sips?:/i.test(trimmed) ? trimmed : `sip:${bracketed(trimmed)}`);
    const transport = transportOf(uri, gateway.transport);
    // RFC 3261 26.2.2: a request to a SIPS URI takes no hop without TLS.
    if (gateway.sips && transport !== 'tls') throw new SipSyntaxError('a gateway with the sips scheme needs TLS');
    return { host: unbracketed(uri.host), port: uri.port, transport };
  } catch (error) {
    if (!(error instanceof SipSyntaxError)) throw error;
    throw new SipSyntaxError(`outbound proxy ${JSON.stringify(withoutUser(trimmed))}: ${error.message}`);
  }
}

/** @param otherwise for a URI that names none */
function transportOf(uri: SipUri, otherwise: OutboundTransport): OutboundTransport {
  const named = uri.params.some(({ name }) => name === 'transport');
  const name = param(uri.params, 'transport')?.toLowerCase();
  const transport = named ? OUTBOUND_TRANSPORTS.find((t) => t === name) : otherwise;
  if (uri.scheme === 'sip') {
    if (transport) return transport;
    throw new SipSyntaxError(`transport ${name || 'without a value'} is not udp, tcp or tls`);
  }
  // RFC 3261 26.2.2: over TCP means over TLS on TCP here.
  if (!named || transport === 'tcp' || transport === 'tls') return 'tls';
  throw new SipSyntaxError(`sips cannot go over ${name || 'a transport without a value'}`);
}

/** A user part may hold a password. */
function withoutUser(text: string): string {
  return text.replace(/^(sips?:)?.*@/i, '$1');
}

/** The part of a request that names its TLS peer: the domain names and addresses among hosts, each once. */
export function peerNames(...hosts: readonly string[]): { peerNames?: readonly string[] } {
  const plain = hosts.map((host) => unbracketed(host).toLowerCase().replace(/\.$/, ''));
  const names = [...new Set(plain)].filter((name) => name !== '');
  return names.length > 0 ? { peerNames: names } : {};
}
