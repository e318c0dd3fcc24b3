import type { Aor } from '../ports/location.ts';
import { parseDeltaSeconds } from '../sip/delta-seconds.ts';
import { joinHostPort } from '../sip/ip.ts';
import { combinedHeader, headerValue, type SipRequest } from '../sip/message.ts';
import { type NameAddr, parseNameAddr, parseNameAddrs } from '../sip/name-addr.ts';
import { formatParams, type Param, param } from '../sip/params.ts';
import { tryParse } from '../sip/syntax.ts';
import { canonicalUri, parseUri, type SipUri, unescapeUser } from '../sip/uri.ts';
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

export type Operation =
  /** No Contact: list the bindings (RFC 3261 10.2.3). */
  | { readonly kind: 'fetch' }
  /** `Contact: *` with `Expires: 0` (10.2.2). */
  | { readonly kind: 'remove-all' }
  /** Adds, renews or removes the binding of each Contact (10.2.1, 10.2.2). */
  | { readonly kind: 'update'; readonly contacts: readonly RequestedContact[] };

export interface RequestedContact {
  /** Identifies the binding, see {@link bindingKey}. */
  readonly key: string;
  readonly uri: string;
  /** Header parameters other than expires, as text. */
  readonly params: string;
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
  const userAgent = headerValue(request.headers, 'User-Agent')?.slice(0, MAX_USER_AGENT);
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

/** `sip:<ip>:<port>`, as `Binding.proxy` has it. @param source IPv6 without brackets */
export function sourceUri({ address, port }: { readonly address: string; readonly port: number }): string {
  return `sip:${joinHostPort(address, port)}`;
}

/** Whether it adds or renews a binding. */
export function addsBindings({ operation }: RegisterRequest): boolean {
  return operation.kind === 'update' && operation.contacts.some((c) => c.expires > 0);
}

/** The expiry of the first Contact, seconds; 0 without Contacts. */
export function requestedExpires({ operation }: RegisterRequest): number {
  return operation.kind === 'update' ? (operation.contacts[0]?.expires ?? 0) : 0;
}

/** RFC 3261 10.3 step 5: the AOR is the To URI without parameters and with escapes decoded. */
function parseAor(to: string): Aor | Refusal {
  const uri = tryParse(() => parseNameAddr(to))?.uri;
  if (uri && uri.hostKind !== 'name') return new Refusal('DomainIsAddress', {}, to);
  const user = uri?.user === undefined ? undefined : unescapeUser(uri.user);
  // An escaped @ or control character could make two AORs share a key.
  if (!uri || user === undefined || user.length > MAX_USER || /[@\s\p{Cc}]/u.test(user))
    return new Refusal('InvalidAor', {}, to);
  return { user, realm: uri.host.replace(/\.$/, '') };
}

function parseOperation(request: SipRequest, limits: ExpiryLimits): Operation | Refusal {
  const header = combinedHeader(request.headers, 'Contact');
  if (header === undefined) return { kind: 'fetch' };

  const headerExpires = headerValue(request.headers, 'Expires');
  const commonExpires = headerExpires === undefined ? limits.defaultExpires : parseDeltaSeconds(headerExpires);
  if (commonExpires === undefined) return new Refusal('MalformedExpires', {}, headerExpires);

  if (header.trim() === '*')
    return headerExpires !== undefined && commonExpires === 0 ? { kind: 'remove-all' } : new Refusal('WildcardMisused');
  if (/(?:^|,)\s*\*\s*(?:,|$)/.test(header)) return new Refusal('WildcardMisused');

  const list = tryParse(() => parseNameAddrs(header, MAX_CONTACTS_PER_REQUEST + 1));
  if (!list) return new Refusal('MalformedContact', {}, header);
  if (list.length > MAX_CONTACTS_PER_REQUEST) return new Refusal('TooManyContactsAsked');

  const contacts: RequestedContact[] = [];
  for (const nameAddr of list) {
    const contact = parseContact(nameAddr, commonExpires);
    if (contact instanceof Refusal) return contact;
    if (contact.expires > 0 && contact.expires < limits.minExpires)
      return new Refusal('IntervalTooBrief', { 'Min-Expires': String(limits.minExpires) });
    contacts.push(contact);
  }
  return { kind: 'update', contacts };
}

function parseContact({ uri, uriText, params }: NameAddr, commonExpires: number): RequestedContact | Refusal {
  const own = param(params, 'expires');
  const expires = own === undefined ? commonExpires : parseDeltaSeconds(own);
  if (expires === undefined) return new Refusal('MalformedExpires', {}, own);
  const kept = formatParams(params.filter((p) => p.name !== 'expires'));
  if (uriText.length + kept.length > MAX_CONTACT) return new Refusal('MalformedContact', {}, 'too long');
  return { key: bindingKey(uri, params), uri: uriText, params: kept, expires };
}

/** A binding is identified by instance and reg-id when present (RFC 5626 6), else by its URI (RFC 3261 10.3 step 7). */
function bindingKey(uri: SipUri, params: readonly Param[]): string {
  const instance = param(params, '+sip.instance');
  return instance ? `${instance};${param(params, 'reg-id') ?? ''}` : canonicalUri(uri);
}
