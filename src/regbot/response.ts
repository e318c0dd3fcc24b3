import type { Trunk } from '../ports/carriers.ts';
import { parseDeltaSeconds } from '../sip/delta-seconds.ts';
import { bracketed, normalIp, unbracketed } from '../sip/ip.ts';
import { headerValue, headerValues, type SipResponse } from '../sip/message.ts';
import { parseNameAddrs } from '../sip/name-addr.ts';
import type { OutboundTransport } from '../sip/next-hop.ts';
import { type Param, param } from '../sip/params.ts';
import { tryParse } from '../sip/syntax.ts';
import { formatUri, parseUri, type SipUri, unescapeUser } from '../sip/uri.ts';
import { parseVias } from '../sip/via.ts';
import { equalUris } from './contact.ts';

/** More than fit into a datagram of ordinary ones. */
const MAX_CONTACTS = 1000;

interface ReceivedContact {
  readonly uri: SipUri;
  readonly params: readonly Param[];
}

/** By what a registrar knows us. */
export interface OurContact {
  /** The Contact that we sent. */
  readonly contact: string;
  /** Our public address, `ip:port`, which may be in a Contact that was rewritten. */
  readonly publicAddress?: string | undefined;
}

/**
 * The expiry that a 2xx grants our Contact, seconds (RFC 3261 10.2.4); 0 when it is not bound. If the registrar has
 * rewritten it beyond recognition, the shortest of all Contacts. A Contact without an expiry has that of Expires, else the
 * requested one. At most twice the requested one, so that no response puts the next refresh off for years.
 */
export function grantedExpires(response: SipResponse, our: OurContact, requested: number): number {
  const header = parseDeltaSeconds(headerValue(response.headers, 'Expires'));
  const contacts = contactsOf(response);
  const ours = oursAmong(contacts, our, response);
  if (ours.length === 0 && header === 0) return 0;
  const candidates = ours.length > 0 ? ours : contacts;
  const expiries = candidates.map(({ params }) => parseDeltaSeconds(param(params, 'expires')) ?? header ?? requested);
  const granted = candidates.length > 0 ? shortest(expiries) : (header ?? requested);
  return Math.min(granted, 2 * requested);
}

/** The shortest that is not 0, if there is one. */
function shortest(expiries: readonly number[]): number {
  const lasting = expiries.filter((seconds) => seconds > 0);
  return lasting.length > 0 ? Math.min(...lasting) : 0;
}

/**
 * The Contacts that are ours: by RFC 3261 19.1.4, else by our user and an address of ours, perhaps with the port that a
 * NAT chose, else the only one of our user.
 */
function oursAmong(
  contacts: readonly ReceivedContact[],
  { contact, publicAddress = '' }: OurContact,
  response: SipResponse,
): readonly ReceivedContact[] {
  const sent = parseUri(contact);
  const equal = contacts.filter(({ uri }) => equalUris(uri, sent));
  if (equal.length > 0) return equal;
  const ofOurUser = contacts.filter(({ uri }) => userIn(uri) === userIn(sent));
  if (ofOurUser.length === 1) return ofOurUser;
  const known = [sent, uriAt(publicAddress), uriAt(receivedFrom(response))].filter((uri) => uri !== undefined);
  const at = (isSame: (a: SipUri, b: SipUri) => boolean) =>
    ofOurUser.filter(({ uri, params }) => {
      const received = tryParse(() => parseUri(param(params, 'received') ?? ''));
      return known.some((own) => isSame(uri, own) || (received !== undefined && isSame(received, own)));
    });
  const exact = at((a, b) => ipIn(a) === ipIn(b) && a.port === b.port);
  return exact.length > 0 ? exact : at((a, b) => ipIn(a) === ipIn(b));
}

function userIn({ user = '' }: SipUri): string {
  return unescapeUser(user) ?? user;
}

function ipIn({ host }: SipUri): string {
  return normalIp(unbracketed(host)) ?? host;
}

function uriAt(hostport: string): SipUri | undefined {
  return tryParse(() => parseUri(`sip:${hostport}`));
}

/** The `host:port` from which our request came, as the Via of its response tells (RFC 3581 4); '' without a Via. */
function receivedFrom(response: SipResponse): string {
  const [via] = tryParse(() => parseVias(headerValue(response.headers, 'Via') ?? '')) ?? [];
  if (!via) return '';
  const host = param(via.params, 'received') || via.host;
  const port = param(via.params, 'rport') || via.port;
  return `${bracketed(unbracketed(host))}${port ? `:${port}` : ''}`;
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
 * The Contacts of a redirection that we follow, in the order of q (RFC 3261 8.1.3.4): SIP or SIPS URIs with a supported
 * transport, never less secure than the trunk's.
 */
export function redirectsOf(response: SipResponse, trunk: Trunk): readonly Redirect[] {
  return contactsOf(response)
    .toSorted((a, b) => preference(b) - preference(a))
    .flatMap(({ uri }) => redirectTo(uri, trunk) ?? []);
}

/** The q of a Contact (RFC 3261 20.10); 1 without one. */
function preference({ params }: ReceivedContact): number {
  const q = param(params, 'q') ?? '';
  return QVALUE.test(q) ? Number(q) : 1;
}

const QVALUE = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

function redirectTo(uri: SipUri, trunk: Trunk): Redirect | undefined {
  const requested = param(uri.params, 'transport')?.toLowerCase();
  const transport = TRANSPORTS.find((t) => t === (uri.scheme === 'sips' ? 'tls' : (requested ?? trunk.transport)));
  if (!transport || (trunk.transport === 'tls' && transport !== 'tls')) return undefined;
  if (trunk.sips && uri.scheme !== 'sips') return undefined;
  const { scheme, host, hostKind, port } = uri;
  // A REGISTER's Request-URI has no user (RFC 3261 10.2); the transport goes into the route.
  const registrar = { scheme, host, hostKind, ...(port !== undefined && { port }), params: [] };
  return { uri: formatUri(registrar), host: unbracketed(host), port, transport };
}

const TRANSPORTS: readonly OutboundTransport[] = ['udp', 'tcp', 'tls'];

/** The Contacts with a SIP URI that can be read; another is left out alone. */
function contactsOf(response: SipResponse): ReceivedContact[] {
  const pieces = headerValues(response.headers, 'Contact').flatMap((line) => line.match(CONTACT) ?? []);
  return pieces.slice(0, MAX_CONTACTS).flatMap((piece) => {
    const [contact] = tryParse(() => parseNameAddrs(piece, 1)) ?? [];
    const uri = contact && tryParse(() => parseUri(contact.uriText));
    return uri ? [{ uri, params: contact.params }] : [];
  });
}

/** Up to the next comma that is neither in brackets nor in quotes; a quote within a display name begins none. */
const CONTACT = /\s*(?:"(?:[^"\\]|\\.)*")?(?:=\s*"[^"]*"|<[^<>]*>|[^,])+/g;
