import { defined } from '../lib/defined.ts';
import { Cursor, TOKEN } from '../sip/syntax.ts';

/** One `Authorization` or `WWW-Authenticate` value: a scheme and its unquoted parameters, by lower-case name. */
export interface AuthValue {
  readonly scheme: string;
  readonly params: ReadonlyMap<string, string>;
}

/** The complete parameters of a Digest Authorization header (RFC 7616 3.4). */
export interface Credentials {
  readonly username: string;
  readonly realm: string;
  readonly nonce: string;
  readonly uri: string;
  readonly response: string;
  /** As written; absent means MD5. */
  readonly algorithm?: string;
  readonly opaque?: string;
  /** Absent for credentials in the style of RFC 2069. */
  readonly qop?: { readonly nc: string; readonly count: number; readonly cnonce: string };
}

const MAX_VALUES = 8;
const MAX_PARAMS = 24;
const PARAM_NAME = new RegExp(String.raw`${TOKEN}(?=[ \t\r\n]*=)`, 'y');
/** The grammar allows only a token here, but some phones leave URIs and base64 unquoted. */
const UNQUOTED = /[^\s,"]+/y;

/** Parses an Authorization header or several joined by commas (RFC 3261 25.1). @throws SipSyntaxError */
export function parseAuthHeader(value: string): AuthValue[] {
  const cursor = new Cursor(value);
  const values: AuthValue[] = [];
  cursor.skipSpace();
  while (!cursor.done) {
    if (values.length === MAX_VALUES) cursor.fail('too many credentials');
    const scheme = cursor.token('authentication scheme').toLowerCase();
    cursor.skipSpace();
    values.push({ scheme, params: readParams(cursor) });
  }
  return values;
}

/**
 * Finds the Digest credentials for a realm (RFC 3261 22.3).
 * @returns undefined when there are none, 'malformed' when a parameter is missing or invalid
 */
export function credentialsFor(realm: string, values: readonly AuthValue[]): Credentials | 'malformed' | undefined {
  const ours = values.find((v) => v.scheme === 'digest' && v.params.get('realm')?.toLowerCase() === realm);
  if (!ours) return undefined;
  const { params } = ours;
  const username = params.get('username');
  const nonce = params.get('nonce');
  const uri = params.get('uri');
  const response = params.get('response');
  if (!username || !nonce || !uri || !response) return 'malformed';
  const qop = qopOf(params);
  if (qop === 'malformed') return 'malformed';
  return defined({
    username,
    realm: params.get('realm') ?? realm,
    nonce,
    uri,
    response,
    algorithm: params.get('algorithm'),
    opaque: params.get('opaque'),
    qop,
  });
}

function qopOf(params: ReadonlyMap<string, string>): Credentials['qop'] | 'malformed' {
  const qop = params.get('qop');
  if (qop === undefined) return undefined;
  const nc = params.get('nc') ?? '';
  const cnonce = params.get('cnonce');
  if (qop.toLowerCase() !== 'auth' || !/^[0-9a-f]{8}$/i.test(nc) || !cnonce) return 'malformed';
  const count = Number.parseInt(nc, 16);
  return count === 0 ? 'malformed' : { nc, count, cnonce };
}

/** Reads parameters up to the end or to a new scheme, which is a token without `=` after a comma. */
function readParams(cursor: Cursor): Map<string, string> {
  const params = new Map<string, string>();
  do {
    const name = cursor.match(PARAM_NAME)?.toLowerCase();
    if (name === undefined) {
      if (params.size === 0) cursor.fail('parameter expected');
      return params;
    }
    if (params.has(name)) cursor.fail(`${name} given twice`);
    if (params.size === MAX_PARAMS) cursor.fail('too many parameters');
    cursor.take('=');
    if (cursor.peek() === '"') params.set(name, cursor.quotedString());
    else params.set(name, cursor.match(UNQUOTED) ?? '');
  } while (cursor.take(','));
  cursor.skipSpace();
  if (!cursor.done) cursor.fail('comma expected');
  return params;
}
