import type { Trunk } from '../ports/carriers.ts';
import { parseDeltaSeconds } from '../sip/delta-seconds.ts';
import { unbracketed } from '../sip/ip.ts';
import { headerValue, headerValues, type SipResponse } from '../sip/message.ts';
import { parseNameAddrs } from '../sip/name-addr.ts';
import type { OutboundTransport } from '../sip/next-hop.ts';
import { type Param, param } from '../sip/params.ts';
import { tryParse } from '../sip/syntax.ts';
import { formatUri, parseUri, type SipUri } from '../sip/uri.ts';
import { equalUris } from './contact.ts';

const MAX_CONTACTS = 50;

/**
 * The expiry that a 2xx grants our Contact, seconds (RFC 3261 10.2.4): of its own entry or the only one, else the
 * Expires header, else the requested expiry.
 */
export function grantedExpires(response: SipResponse, contact: string, requested: number): number {
  const contacts = contactsOf(response);
  const ours = parseUri(contact);
  const entry = contacts.find((c) => equalUris(c.uri, ours)) ?? (contacts.length === 1 ? contacts[0] : undefined);
  const own = entry && param(entry.params, 'expires');
  return parseDeltaSeconds(own) ?? parseDeltaSeconds(headerValue(response.headers, 'Expires')) ?? requested;
}

/** Min-Expires, seconds (RFC 3261 20.23). */
export function minExpires(response: SipResponse): number | undefined {
  return parseDeltaSeconds(headerValue(response.headers, 'Min-Expires'));
}

/** Retry-After, seconds, without its comment and parameters (RFC 3261 20.33). */
export function retryAfter(response: SipResponse): number | undefined {
  return parseDeltaSeconds(/^\s*\d+/.exec(headerValue(response.headers, 'Retry-After') ?? '')?.[0]);
}

export interface Redirect {
  readonly uri: string;
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port: number | undefined;
  readonly transport: OutboundTransport;
}

/**
 * The first Contact of a redirection that we follow (RFC 3261 8.1.3.4): a SIP or SIPS URI with a supported transport,
 * never less secure than the trunk's.
 */
export function redirectOf(response: SipResponse, trunk: Trunk): Redirect | undefined {
  for (const { uri } of contactsOf(response)) {
    const requested = param(uri.params, 'transport')?.toLowerCase();
    const transport = TRANSPORTS.find((t) => t === (uri.scheme === 'sips' ? 'tls' : (requested ?? trunk.transport)));
    if (!transport || (trunk.transport === 'tls' && transport !== 'tls') || (trunk.sips && uri.scheme !== 'sips'))
      continue;
    const { scheme, host, hostKind, port } = uri;
    // A REGISTER's Request-URI has no user (RFC 3261 10.2); the transport goes into the route.
    const registrar = { scheme, host, hostKind, ...(port !== undefined && { port }), params: [] };
    return { uri: formatUri(registrar), host: unbracketed(host), port, transport };
  }
  return undefined;
}

const TRANSPORTS: readonly OutboundTransport[] = ['udp', 'tcp', 'tls'];

/** The Contacts with a SIP URI that can be read. */
function contactsOf(response: SipResponse): { uri: SipUri; params: readonly Param[] }[] {
  const list = headerValues(response.headers, 'Contact').flatMap(
    (line) => tryParse(() => parseNameAddrs(line, MAX_CONTACTS)) ?? [],
  );
  return list.flatMap(({ uriText, params }) => {
    const uri = tryParse(() => parseUri(uriText));
    return uri ? [{ uri, params }] : [];
  });
}
