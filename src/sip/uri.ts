import { isIPv4, isIPv6 } from 'node:net';
import { unbracketed } from './ip.ts';
import { formatParams, type Param } from './params.ts';
import { SipSyntaxError, tryParse } from './syntax.ts';

/** A SIP or SIPS URI (RFC 3261 19.1). Texts are as written, escapes included; scheme, host and names in lower case. */
export interface SipUri {
  readonly scheme: 'sip' | 'sips';
  readonly user?: string;
  readonly password?: string;
  /** A domain name, an IPv4 address, or an IPv6 address in its brackets. */
  readonly host: string;
  /** `other`: only {@link readUri} returns it. */
  readonly hostKind: 'name' | 'ipv4' | 'ipv6' | 'other';
  readonly port?: number;
  readonly params: readonly Param[];
  /** What follows `?`, unparsed. */
  readonly headers?: string;
}

const SCHEME = /^(sips?):/i;
const HOSTPORT = /^(\[[^\]]*\]|[^:;?[\]]+)(?::(\d{1,5}))?(?=$|[;?])/;
/** Labels of letters, digits, hyphen and (as in many a private zone) underscore; the last one starts with a letter. */
const DOMAIN = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z](?:[a-z0-9-]*[a-z0-9])?\.?$/;
/** Without a zone, which means nothing on another machine. */
const IPV6 = /^\[[0-9a-f:.]+\]$/;
const LONE_PERCENT = /%(?![0-9A-Fa-f]{2})/;
const MAX_URI_PARAMS = 32;

// The characters that RFC 3261 25.1 allows in each part.
const USER = /^(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|%[0-9A-Fa-f]{2})+$/;
const PASSWORD = /^(?:[A-Za-z0-9\-_.!~*'()&=+$,]|%[0-9A-Fa-f]{2})*$/;
const PARAM_TEXT = /^(?:[A-Za-z0-9\-_.!~*'()[\]/:&+$]|%[0-9A-Fa-f]{2})+$/;
const HEADERS = /^(?:[A-Za-z0-9\-_.!~*'()[\]/?:+$=&]|%[0-9A-Fa-f]{2})+$/;

/** Whether a URI is a SIP or SIPS URI, readable or not: no other can be called. */
export function isSipUri(text: string): boolean {
  return SCHEME.test(text);
}

/**
 * Parses a SIP or SIPS URI strictly by the grammar of RFC 3261 25.1.
 * @throws SipSyntaxError for any other scheme too
 */
export function parseUri(text: string): SipUri {
  const uri = readUri(text);
  const { user, password, hostKind, port, params, headers } = uri;
  if (user !== undefined && !USER.test(user)) throw new SipSyntaxError('malformed user in a URI');
  if (password !== undefined && !PASSWORD.test(password)) throw new SipSyntaxError('malformed password in a URI');
  if (hostKind === 'other') throw new SipSyntaxError('malformed host in a URI');
  if (port !== undefined && (port < 1 || port > 65535)) throw new SipSyntaxError('port out of range in a URI');
  for (const { name, value } of params)
    if (!PARAM_TEXT.test(name) || (value !== undefined && !PARAM_TEXT.test(value)))
      throw new SipSyntaxError('malformed parameter in a URI');
  if (headers !== undefined && !HEADERS.test(headers)) throw new SipSyntaxError('malformed headers in a URI');
  return uri;
}

/**
 * Splits a SIP or SIPS URI at its separators; what stands between them may be anything: a host that no DNS has, port 0,
 * parameters without a name, letters beyond ASCII.
 * @throws SipSyntaxError when the parts are ambiguous: no host, two `@`, a port that is no number
 */
export function readUri(text: string): SipUri {
  const scheme = SCHEME.exec(text)?.[1]?.toLowerCase();
  if (scheme !== 'sip' && scheme !== 'sips') throw new SipSyntaxError('not a SIP URI');
  const rest = text.slice(scheme.length + 1);

  const at = rest.indexOf('@');
  if (at !== rest.lastIndexOf('@')) throw new SipSyntaxError('two @ in a URI');
  const userinfo = at < 0 ? undefined : readUserinfo(rest.slice(0, at));

  const hostport = HOSTPORT.exec(rest.slice(at + 1));
  const host = hostport?.[1]?.toLowerCase();
  if (!hostport || host === undefined) throw new SipSyntaxError('no host in a URI');
  const port = hostport[2] === undefined ? undefined : Number(hostport[2]);

  const tail = rest.slice(at + 1 + hostport[0].length);
  const question = tail.indexOf('?');
  const headers = question < 0 ? undefined : tail.slice(question + 1);
  const params = readUriParams(question < 0 ? tail : tail.slice(0, question));
  return {
    scheme,
    ...userinfo,
    host,
    hostKind: kindOfHost(host),
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
 * differ. A URI of another scheme, or one whose parts are ambiguous, equals only itself.
 */
export function canonicalUri(text: string): string {
  const uri = tryParse(() => readUri(text));
  if (!uri) return text;
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

function readUserinfo(text: string): { user: string; password?: string } {
  const colon = text.indexOf(':');
  return colon < 0 ? { user: text } : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

function kindOfHost(host: string): SipUri['hostKind'] {
  if (host.startsWith('[')) return IPV6.test(host) && isIPv6(unbracketed(host)) ? 'ipv6' : 'other';
  if (isIPv4(host)) return 'ipv4';
  return host.length <= 253 && DOMAIN.test(host) ? 'name' : 'other';
}

function readUriParams(text: string): Param[] {
  if (text === '') return [];
  const pieces = text.slice(1).split(';');
  if (pieces.length > MAX_URI_PARAMS) throw new SipSyntaxError('too many parameters in a URI');
  return pieces.map((piece) => {
    const equals = piece.indexOf('=');
    return equals < 0
      ? { name: piece.toLowerCase() }
      : { name: piece.slice(0, equals).toLowerCase(), value: piece.slice(equals + 1) };
  });
}

function normaliseEscapes(user: string): string {
  // Beside a lone % another escape might be decoded into the beginning of a third.
  if (!user.includes('%') || LONE_PERCENT.test(user)) return user;
  return user.replace(/%([0-9A-Fa-f]{2})/g, (encoded, hex: string) => {
    const char = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9\-_.!~*'()]/.test(char) ? char : encoded.toUpperCase();
  });
}
