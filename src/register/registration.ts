import type { Aor } from '../ports/location.ts';
import type { SipRequest } from '../ports/sip-server.ts';
import { parseCSeq } from '../sip/cseq.ts';
import { parseDeltaSeconds } from '../sip/delta-seconds.ts';
import { joinHostPort } from '../sip/ip.ts';
import { type NameAddr, parseNameAddr, parseNameAddrs } from '../sip/name-addr.ts';
import { formatParams, type Param, param } from '../sip/params.ts';
import { tryParse } from '../sip/syntax.ts';
import { canonicalUri, parseUri, type SipUri, unescapeUser } from '../sip/uri.ts';
import { parseVias } from '../sip/via.ts';
import { Refusal } from './reject.ts';

/** What a REGISTER asks for, read by grammar and nothing looked up yet. */
export interface Registration {
  readonly aor: Aor;
  readonly callId: string;
  readonly cseq: number;
  /** Lower case, from the top Via. */
  readonly protocol: string;
  /** Where it came from, `sip:<ip>:<port>`. */
  readonly proxy: string;
  readonly userAgent?: string;
  readonly wish: Wish;
}

export type Wish =
  /** No Contact: list the bindings (RFC 3261 10.2.3). */
  | { readonly kind: 'query' }
  /** `Contact: *` with `Expires: 0` (10.2.2). */
  | { readonly kind: 'remove-all' }
  | { readonly kind: 'contacts'; readonly contacts: readonly AskedContact[] };

export interface AskedContact {
  readonly key: string;
  readonly uri: string;
  /** Header parameters but for expires, as text. */
  readonly params: string;
  /** Seconds; 0 removes the binding. */
  readonly expires: number;
}

export interface RegistrationLimits {
  /** Seconds; for a REGISTER that names no expiry. */
  readonly defaultExpires: number;
  /** Seconds; 0: none. */
  readonly minExpires: number;
}

/** Each of them is echoed in the 200, and a frame to drachtio must stay under 12 kB. */
const MAX_CONTACTS_ASKED = 10;
/** Keys in Redis are made of these. Longer ones are no telephone's. */
const MAX_USER = 128;
const MAX_CONTACT = 1024;
const MAX_CALL_ID = 256;
const MAX_USER_AGENT = 128;

/** A REGISTER goes to a domain (RFC 3261 10.2); scanners send it to an address. */
export function checkDomain(request: SipRequest): Refusal | undefined {
  const uri = tryParse(() => parseUri(request.uri));
  return uri?.hostKind === 'name' ? undefined : new Refusal('DomainIsAddress', {}, request.uri);
}

/** Reads a REGISTER (RFC 3261 10.3 steps 5 to 7, the parts that need no store). */
export function readRegistration(request: SipRequest, limits: RegistrationLimits): Registration | Refusal {
  const aor = readAor(request.header('To') ?? '');
  if (aor instanceof Refusal) return aor;

  const callId = request.header('Call-ID')?.trim();
  if (!callId || callId.length > MAX_CALL_ID) return new Refusal('MissingCallId');
  const cseq = tryParse(() => parseCSeq(request.header('CSeq') ?? ''))?.number;
  if (cseq === undefined) return new Refusal('MalformedCSeq');
  const protocol = tryParse(() => parseVias(request.header('Via') ?? '')[0].protocol.toLowerCase());
  if (protocol === undefined) return new Refusal('MalformedVia');

  const wish = readWish(request, limits);
  if (wish instanceof Refusal) return wish;
  const userAgent = request.header('User-Agent')?.slice(0, MAX_USER_AGENT);
  return {
    aor,
    callId,
    cseq,
    protocol,
    proxy: `sip:${joinHostPort(request.source.address, request.source.port)}`,
    ...(userAgent !== undefined && { userAgent }),
    wish,
  };
}

/** Whether it would make or renew a binding, rather than remove or list some. */
export function addsContacts({ wish }: Registration): boolean {
  return wish.kind === 'contacts' && wish.contacts.some((c) => c.expires > 0);
}

/** The expiry that it asks for, that of the first Contact, in seconds; 0 where none is asked for. */
export function askedExpires({ wish }: Registration): number {
  return wish.kind === 'contacts' ? (wish.contacts[0]?.expires ?? 0) : 0;
}

/** RFC 3261 10.3 step 5: the AOR is the To URI without parameters and with its escapes decoded. */
function readAor(to: string): Aor | Refusal {
  const uri = tryParse(() => parseNameAddr(to))?.uri;
  if (uri && uri.hostKind !== 'name') return new Refusal('DomainIsAddress', {}, to);
  const user = uri?.user === undefined ? undefined : unescapeUser(uri.user);
  // An escaped @ or control character would make one AOR's key read like another's.
  if (!uri || user === undefined || user.length > MAX_USER || /[@\s\p{Cc}]/u.test(user))
    return new Refusal('InvalidAor', {}, to);
  return { user, realm: uri.host.replace(/\.$/, '') };
}

function readWish(request: SipRequest, limits: RegistrationLimits): Wish | Refusal {
  const header = request.header('Contact');
  if (header === undefined) return { kind: 'query' };

  const headerExpires = request.header('Expires');
  const common = headerExpires === undefined ? limits.defaultExpires : parseDeltaSeconds(headerExpires);
  if (common === undefined) return new Refusal('MalformedExpires', {}, headerExpires);

  if (header.trim() === '*')
    return headerExpires !== undefined && common === 0 ? { kind: 'remove-all' } : new Refusal('WildcardMisused');
  if (/(?:^|,)\s*\*\s*(?:,|$)/.test(header)) return new Refusal('WildcardMisused');

  const list = tryParse(() => parseNameAddrs(header, MAX_CONTACTS_ASKED + 1));
  if (!list) return new Refusal('MalformedContact', {}, header);
  if (list.length > MAX_CONTACTS_ASKED) return new Refusal('TooManyContactsAsked');

  const contacts: AskedContact[] = [];
  for (const nameAddr of list) {
    const contact = askedContact(nameAddr, common);
    if (contact instanceof Refusal) return contact;
    if (contact.expires > 0 && contact.expires < limits.minExpires)
      return new Refusal('IntervalTooBrief', { 'Min-Expires': String(limits.minExpires) });
    contacts.push(contact);
  }
  return { kind: 'contacts', contacts };
}

function askedContact({ uri, uriText, params }: NameAddr, common: number): AskedContact | Refusal {
  const own = param(params, 'expires');
  const expires = own === undefined ? common : parseDeltaSeconds(own);
  if (expires === undefined) return new Refusal('MalformedExpires', {}, own);
  const kept = formatParams(params.filter((p) => p.name !== 'expires'));
  if (uriText.length + kept.length > MAX_CONTACT) return new Refusal('MalformedContact', {}, 'too long');
  return { key: bindingKey(uri, params), uri: uriText, params: kept, expires };
}

/** RFC 5626 6: instance and reg-id name a binding when the phone gives them; RFC 3261 10.3 step 7: else its URI does. */
function bindingKey(uri: SipUri, params: readonly Param[]): string {
  const instance = param(params, '+sip.instance');
  return instance ? `${instance};${param(params, 'reg-id') ?? ''}` : canonicalUri(uri);
}
