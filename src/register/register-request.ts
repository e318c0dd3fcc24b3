import { cut } from '../lib/text.ts';
import type { Aor } from '../ports/location.ts';
import { type BindingIdentity, bindingIdentity, isSameBinding } from '../sip/binding-identity.ts';
import { parseDeltaSeconds } from '../sip/delta-seconds.ts';
import { joinHostPort } from '../sip/ip.ts';
import { combinedHeader, headerValue, type SipRequest } from '../sip/message.ts';
import { type NameAddr, parseContacts, parseNameAddr, WILDCARD } from '../sip/name-addr.ts';
import { formatParams, type Param, param } from '../sip/params.ts';
import { tryParse } from '../sip/syntax.ts';
import { isSipUri, parseUri, readUri, unescapeUser } from '../sip/uri.ts';
import { Refusal } from './reject.ts';

/** A REGISTER, parsed but not yet checked against any store. */
export interface RegisterRequest {
  readonly aor: Aor;
  readonly callId: string;
  readonly cseq: number;
  readonly protocol: string;
  readonly proxy: string;
  readonly userAgent?: string;
  readonly operation: Operation;
}

type Operation =
  /** No Contact: list the bindings (RFC 3261 10.2.3). */
  | { readonly kind: 'fetch' }
  /** `Contact: *` with `Expires: 0` (10.2.2). */
  | { readonly kind: 'remove-all' }
  /** Adds, renews or removes bindings (10.2.1, 10.2.2). */
  | {
      readonly kind: 'update';
      /** One per binding, the most preferred first. */
      readonly add: readonly RequestedContact[];
      readonly remove: readonly RequestedContact[];
    };

export interface RequestedContact extends BindingIdentity {
  /** The URI as it was written. */
  readonly contact: string;
  /** Header parameters other than expires, as text. */
  readonly params: string;
  /** Preference, 0 to 1 (RFC 3261 20.10). */
  readonly q: number;
  /** Seconds; 0 removes the binding. */
  readonly expires: number;
}

export interface ExpiryLimits {
  /** Seconds; for a REGISTER without an expiry. */
  readonly defaultExpires: number;
  /** Seconds; 0: no minimum. */
  readonly minExpires: number;
}

/** The 200 repeats them all, and a frame to drachtio must stay under 12 kB. */
const MAX_CONTACTS_PER_REQUEST = 10;
/** A quoted-pair may carry them into the parameters (RFC 3261 25.1), which the 200 repeats. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;
/** Characters. These end up in Redis keys and values. */
const MAX_USER = 128;
const MAX_CONTACT = 1024;
const MAX_CALL_ID = 256;
const MAX_USER_AGENT = 128;

/** The Request-URI must name a domain (RFC 3261 10.2); scanners use an address. */
export function checkDomain(request: SipRequest): Refusal | undefined {
  const uri = tryParse(() => parseUri(request.uri));
  return uri?.hostKind === 'name' ? undefined : new Refusal('DomainIsAddress', {}, request.uri);
}

/** Parses a REGISTER: the syntax of RFC 3261 10.3 steps 5 to 7. */
export function parseRegister(request: SipRequest, limits: ExpiryLimits): RegisterRequest | Refusal {
  const aor = parseAor(request.to);
  if (aor instanceof Refusal) return aor;

  const { callId, cseq, topVia, source } = request;
  if (callId.length > MAX_CALL_ID) return new Refusal('CallIdTooLong');

  const operation = parseOperation(request, limits);
  if (operation instanceof Refusal) return operation;
  const userAgent = userAgentOf(request);
  return {
    aor,
    callId,
    cseq: cseq.number,
    protocol: topVia.protocol.toLowerCase(),
    proxy: sourceUri(source),
    ...(userAgent !== undefined && { userAgent }),
    operation,
  };
}

/** At most 128 characters of it. */
export function userAgentOf({ headers }: SipRequest): string | undefined {
  const userAgent = headerValue(headers, 'User-Agent');
  return userAgent === undefined ? undefined : cut(userAgent, MAX_USER_AGENT);
}

/** `sip:<ip>:<port>`, as `Binding.proxy` has it. @param source IPv6 without brackets */
export function sourceUri({ address, port }: { readonly address: string; readonly port: number }): string {
  return `sip:${joinHostPort(address, port)}`;
}

/** Whether it adds or renews a binding. */
export function addsBindings({ operation }: RegisterRequest): boolean {
  return operation.kind === 'update' && operation.add.length > 0;
}

/** The expiry of the most preferred Contact, seconds; 0 when none is to be added. */
export function requestedExpires({ operation }: RegisterRequest): number {
  return operation.kind === 'update' ? (operation.add[0]?.expires ?? 0) : 0;
}

/** RFC 3261 10.3 step 5: the AOR is the To URI without parameters and with escapes decoded. */
function parseAor(to: string): Aor | Refusal {
  const uri = tryParse(() => readUri(parseNameAddr(to).uriText));
  if (uri?.hostKind === 'ipv4' || uri?.hostKind === 'ipv6') return new Refusal('DomainIsAddress', {}, to);
  const user = uri?.user === undefined ? undefined : unescapeUser(uri.user);
  // An escaped @ or control character could make two AORs share a key.
  if (uri?.hostKind !== 'name' || !user || user.length > MAX_USER || /[@\s\p{Cc}]/u.test(user))
    return new Refusal('InvalidAor', {}, to);
  return { user, realm: uri.host.replace(/\.$/, '') };
}

function parseOperation(request: SipRequest, limits: ExpiryLimits): Operation | Refusal {
  const header = combinedHeader(request.headers, 'Contact');
  if (header === undefined) return { kind: 'fetch' };

  const list = CONTROL.test(header) ? undefined : tryParse(() => parseContacts(header, MAX_CONTACTS_PER_REQUEST + 1));
  if (!list) return new Refusal('MalformedContact', {}, header);
  if (list.length > MAX_CONTACTS_PER_REQUEST) return new Refusal('TooManyContactsAsked');

  const headerExpires = parseDeltaSeconds(headerValue(request.headers, 'Expires'));
  if (list.some(({ uriText }) => uriText === WILDCARD)) {
    const removesAll = list.length === 1 && headerExpires === 0 && list.every(({ params }) => !ownExpires(params));
    return removesAll ? { kind: 'remove-all' } : new Refusal('WildcardMisused');
  }

  const commonExpires = headerExpires ?? limits.defaultExpires;
  const contacts: RequestedContact[] = [];
  for (const nameAddr of list) {
    const contact = parseContact(nameAddr, commonExpires);
    if (contact instanceof Refusal) return contact;
    if (contact.expires > 0 && contact.expires < limits.minExpires)
      return new Refusal('IntervalTooBrief', { 'Min-Expires': String(limits.minExpires) });
    contacts.push(contact);
  }
  return {
    kind: 'update',
    add: preferredFirst(lastOfEach(contacts.filter((c) => c.expires > 0))),
    remove: contacts.filter((c) => c.expires === 0),
  };
}

function parseContact({ uriText, params }: NameAddr, commonExpires: number): RequestedContact | Refusal {
  const expires = ownExpires(params) ?? commonExpires;
  const kept = formatParams(params.filter((p) => p.name !== 'expires'));
  if (uriText.length + kept.length > MAX_CONTACT) return new Refusal('MalformedContact', {}, 'too long');
  const identity = bindingIdentity(uriText, params);
  return { ...identity, contact: uriText, params: kept, q: preference(param(params, 'q')), expires };
}

/** The expires parameter; undefined, as without one, when it is no delta-seconds (RFC 3261 20.10). */
function ownExpires(params: readonly Param[]): number | undefined {
  const own = params.find(({ name }) => name === 'expires');
  return own?.quoted ? undefined : parseDeltaSeconds(own?.value);
}

/** Of Contacts that are one binding, the last counts. */
function lastOfEach(contacts: readonly RequestedContact[]): RequestedContact[] {
  return contacts.reduce<RequestedContact[]>(
    (kept, contact) => [...kept.filter((k) => !isSameBinding(k, contact)), contact],
    [],
  );
}

/** SIP URIs before others, then by q, then in the order given (RFC 3261 10.2.1.2). */
function preferredFirst(contacts: readonly RequestedContact[]): RequestedContact[] {
  const rank = (c: RequestedContact) => Number(isSipUri(c.contact));
  return contacts.toSorted((a, b) => rank(b) - rank(a) || b.q - a.q);
}

/** A qvalue (RFC 3261 25.1); 1 when it is absent or malformed. */
function preference(q = ''): number {
  return /^(?:0(?:\.\d*)?|\.\d+|1(?:\.0*)?)$/.test(q) ? Number(q) : 1;
}
