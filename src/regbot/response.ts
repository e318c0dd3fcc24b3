import type { Trunk } from '../ports/carriers.ts';
import type { SipResponse } from '../ports/sip-server.ts';
import { parseDeltaSeconds } from '../sip/delta-seconds.ts';
import { unbracketed } from '../sip/ip.ts';
import { type NameAddr, parseNameAddrs } from '../sip/name-addr.ts';
import type { OutboundTransport } from '../sip/next-hop.ts';
import { param } from '../sip/params.ts';
import { tryParse } from '../sip/syntax.ts';
import { formatUri, parseUri } from '../sip/uri.ts';
import { equalUris } from './contact.ts';

/** A registrar lists all contacts of the AOR; more than this of one are not ours to look through. */
const MAX_CONTACTS = 50;

/**
 * For how many seconds a 2xx to our REGISTER binds our Contact (RFC 3261 10.2.4): as its own entry says, or the only
 * entry, else Expires, else what was asked.
 */
export function grantedExpires(response: SipResponse, contact: string, asked: number): number {
  const contacts = contactsOf(response);
  const ours = parseUri(contact);
  const entry = contacts.find((c) => equalUris(c.uri, ours)) ?? (contacts.length === 1 ? contacts[0] : undefined);
  const own = entry && param(entry.params, 'expires');
  return parseDeltaSeconds(own) ?? parseDeltaSeconds(response.header('Expires')[0]) ?? asked;
}

/** Seconds, of Min-Expires (RFC 3261 20.23). */
export function minExpires(response: SipResponse): number | undefined {
  return parseDeltaSeconds(response.header('Min-Expires')[0]);
}

/** Seconds, of Retry-After, its comment and parameters left out (RFC 3261 20.33). */
export function retryAfter(response: SipResponse): number | undefined {
  return parseDeltaSeconds(/^\s*\d+/.exec(response.header('Retry-After')[0] ?? '')?.[0]);
}

/** Where a 301 or 302 sends us. */
export interface Redirect {
  /** The new Request-URI. */
  readonly uri: string;
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port: number | undefined;
  readonly transport: OutboundTransport;
}

/**
 * The first Contact of a redirection that we may follow (RFC 3261 8.1.3.4): a SIP or SIPS URI, over a transport of ours,
 * and none that is less safe than the trunk wants.
 */
export function redirectOf(response: SipResponse, trunk: Trunk): Redirect | undefined {
  for (const { uri } of contactsOf(response)) {
    const named = param(uri.params, 'transport')?.toLowerCase();
    const transport = TRANSPORTS.find((t) => t === (uri.scheme === 'sips' ? 'tls' : (named ?? trunk.transport)));
    if (!transport || (trunk.transport === 'tls' && transport !== 'tls') || (trunk.sips && uri.scheme !== 'sips'))
      continue;
    const { scheme, host, hostKind, port } = uri;
    // A registrar's URI has no user (RFC 3261 10.2), and what is left of its parameters is in the route.
    const registrar = { scheme, host, hostKind, ...(port !== undefined && { port }), params: [] };
    return { uri: formatUri(registrar), host: unbracketed(host), port, transport };
  }
  return undefined;
}

const TRANSPORTS: readonly OutboundTransport[] = ['udp', 'tcp', 'tls'];

/** The contacts of all lines that can be read. */
function contactsOf(response: SipResponse): NameAddr[] {
  return response.header('Contact').flatMap((line) => tryParse(() => parseNameAddrs(line, MAX_CONTACTS)) ?? []);
}
