import { isIPv4, isIPv6 } from 'node:net';
import { unbracketed } from './ip.ts';
import { formatParams, type Param } from './params.ts';
import { SipSyntaxError } from './syntax.ts';

/** A SIP or SIPS URI (RFC 3261 19.1). Texts are as written, escapes included; scheme, host and names in lower case. */
export interface SipUri {
  readonly scheme: 'sip' | 'sips';
  readonly user?: string;
  readonly password?: string;
  /** A domain name, an IPv4 address, or an IPv6 address in its brackets. */
  readonly host: string;
  readonly hostKind: 'name' | 'ipv4' | 'ipv6';
  readonly port?: number;
  readonly params: readonly Param[];
  /** What follows `?`, unparsed. */
  readonly headers?: string;
}

const SCHEME = /^(sips?):/i;
const USER = /^(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|%[0-9A-Fa-f]{2})+$/;
const PASSWORD = /^(?:[A-Za-z0-9\-_.!~*'()&=+$,]|%[0-9A-Fa-f]{2})*$/;
const HOSTPORT = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?(?=$|[;?])/;
const PARAM =
  /;((?:[A-Za-z0-9\-_.!~*'()[\]/:&+$]|%[0-9A-Fa-f]{2})+)(?:=((?:[A-Za-z0-9\-_.!~*'()[\]/:&+$]|%[0-9A-Fa-f]{2})+))?/y;
const HEADERS = /^(?:[A-Za-z0-9\-_.!~*'()[\]/?:+$=&]|%[0-9A-Fa-f]{2})+$/;
/** Labels of letters, digits, hyphen and (as in many a private zone) underscore; the last one starts with a letter. */
const DOMAIN = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z](?:[a-z0-9-]*[a-z0-9])?\.?$/;
const MAX_URI_PARAMS = 32;

/**
 * Parses a SIP or SIPS URI strictly by the grammar of RFC 3261 25.1.
 * @throws SipSyntaxError for any other scheme too
 */
export function parseUri(text: string): SipUri {
  const scheme = SCHEME.exec(text)?.[1]?.toLowerCase();
  if (scheme !== 'sip' && scheme !== 'sips') throw new SipSyntaxError('not a SIP URI');
  const rest = text.slice(scheme.length + 1);

  const at = rest.indexOf('@');
  if (at !== rest.lastIndexOf('@')) throw new SipSyntaxError('two @ in a URI');
  const userinfo = at < 0 ? undefined : parseUserinfo(rest.slice(0, at));

  const hostport = HOSTPORT.exec(rest.slice(at + 1));
  const host = hostport?.[1]?.toLowerCase();
  if (!hostport || host === undefined) throw new SipSyntaxError('no host in a URI');
  const hostKind = kindOfHost(host);
  if (!hostKind) throw new SipSyntaxError('malformed host in a URI');
  const port = hostport[2] === undefined ? undefined : Number(hostport[2]);
  if (port !== undefined && (port < 1 || port > 65535)) throw new SipSyntaxError('port out of range in a URI');

  const tail = rest.slice(at + 1 + hostport[0].length);
  const question = tail.indexOf('?');
  const headers = question < 0 ? undefined : tail.slice(question + 1);
  if (headers !== undefined && !HEADERS.test(headers)) throw new SipSyntaxError('malformed headers in a URI');
  const params = parseUriParams(question < 0 ? tail : tail.slice(0, question));
  return {
    scheme,
    ...userinfo,
    host,
    hostKind,
    ...(port !== undefined && { port }),
    params,
    ...(headers !== undefined && { headers }),
  };
}

/** The URI as text; `parseUri(formatUri(u))` equals `u`. */
export function formatUri(uri: SipUri): string {
  const userinfo = uri.user === undefined ? '' : `${uri.user}${uri.password === undefined ? '' : `:${uri.password}`}@`;
  const port = uri.port === undefined ? '' : `:${uri.port}`;
  const headers = uri.headers === undefined ? '' : `?${uri.headers}`;
  return `${uri.scheme}:${userinfo}${uri.host}${port}${formatParams(uri.params)}${headers}`;
}

/**
 * One text for all spellings of a URI that RFC 3261 19.1.4 calls equal: needless escapes decoded, case folded where it
 * does not count, parameters sorted. Stricter than the RFC in one point: a parameter of only one of two URIs makes them
 * differ.
 */
export function canonicalUri(uri: SipUri): string {
  const params = uri.params.map((p) => ({ ...p, ...(p.value !== undefined && { value: p.value.toLowerCase() }) }));
  params.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return formatUri({ ...uri, ...(uri.user !== undefined && { user: normaliseEscapes(uri.user) }), params });
}

/** Decodes %HH escapes; undefined when what they encode is no UTF-8. */
export function unescapeUser(user: string): string | undefined {
  if (!user.includes('%')) return user;
  try {
    return decodeURIComponent(user);
  } catch {
    return undefined; // decodeURIComponent throws URIError only
  }
}

function parseUserinfo(text: string): { user: string; password?: string } {
  const colon = text.indexOf(':');
  const user = colon < 0 ? text : text.slice(0, colon);
  if (!USER.test(user)) throw new SipSyntaxError('malformed user in a URI');
  if (colon < 0) return { user };
  const password = text.slice(colon + 1);
  if (!PASSWORD.test(password)) throw new SipSyntaxError('malformed password in a URI');
  return { user, password };
}

function kindOfHost(host: string): SipUri['hostKind'] | undefined {
  if (host.startsWith('[')) return isIPv6(unbracketed(host)) ? 'ipv6' : undefined;
  if (isIPv4(host)) return 'ipv4';
  return host.length <= 253 && DOMAIN.test(host) ? 'name' : undefined;
}

function parseUriParams(text: string): Param[] {
  const params: Param[] = [];
  PARAM.lastIndex = 0;
  while (PARAM.lastIndex < text.length) {
    const found = PARAM.exec(text);
    if (found?.[1] === undefined) throw new SipSyntaxError('malformed parameter in a URI');
    if (params.length === MAX_URI_PARAMS) throw new SipSyntaxError('too many parameters in a URI');
    const name = found[1].toLowerCase();
    params.push(found[2] === undefined ? { name } : { name, value: found[2] });
  }
  return params;
}

function normaliseEscapes(user: string): string {
  return user.replace(/%([0-9A-Fa-f]{2})/g, (encoded, hex: string) => {
    const char = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9\-_.!~*'()]/.test(char) ? char : encoded.toUpperCase();
  });
}
