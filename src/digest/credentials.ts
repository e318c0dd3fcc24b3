import { defined } from '../lib/defined.ts';
import { Cursor, isToken, TOKEN, tryParse } from '../sip/syntax.ts';

/** One `Authorization` or `WWW-Authenticate` value: a scheme and its unquoted parameters, by lower-case name. */
export interface AuthValue {
  readonly scheme: string;
  readonly params: ReadonlyMap<string, string>;
  /** A parameter is given twice or has no end, or something among them is no parameter. */
  readonly malformed: boolean;
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

/** Credentials whose parameters contradict each other. */
export class MalformedCredentials {
  readonly malformed = true;
  constructor(readonly nonce: string) {}
}

/** Values beyond these are left out. */
const MAX_VALUES = 16;
const MAX_PARAMS = 24;
const SEPARATORS = /[\s,;]*/y;
const PARAM_NAME = new RegExp(String.raw`${TOKEN}(?=\s*=)`, 'y');
/**
 * The grammar allows only a token here, but some phones leave URIs and base64 unquoted. A semicolon belongs to such a
 * URI unless a Digest parameter or nothing follows.
 */
const UNQUOTED =
  /(?:[^\s,;"]|;(?![\s,;]|$|(?:username|realm|nonce|uri|response|algorithm|cnonce|opaque|qop|nc)\s*=))+/iy;
const WORD = /[^\s,;"]+/y;
const WORD_FOLLOWS = /\s+(?=[^\s,;])/y;

/**
 * Parses an Authorization or WWW-Authenticate header, or several joined by commas (RFC 3261 25.1). Any number of commas,
 * semicolons and white space separates parameters. Of credentials in the form of token68 (RFC 7235 2.1) only the scheme
 * counts. Never throws.
 */
export function parseAuthHeader(header: string): AuthValue[] {
  const cursor = new Cursor(header);
  const values: ParsedValue[] = [];
  let value: ParsedValue | undefined;
  for (;;) {
    cursor.match(SEPARATORS);
    if (cursor.done) return values;
    const name = cursor.match(PARAM_NAME)?.toLowerCase();
    if (name !== undefined) {
      // A parameter before any scheme belongs to no credentials.
      value ??= new ParsedValue('');
      value.readParam(cursor, name);
      continue;
    }
    const word = cursor.match(WORD);
    if (word === undefined) {
      // A quote that is no parameter's.
      skipQuoted(cursor);
      if (value) value.malformed = true;
    } else if (!value || cursor.match(WORD_FOLLOWS) !== undefined) {
      if (values.length === MAX_VALUES) return values;
      value = new ParsedValue(word.toLowerCase());
      values.push(value);
    } else if (!isToken(word)) value.malformed = true;
  }
}

class ParsedValue implements AuthValue {
  readonly params = new Map<string, string>();
  malformed = false;

  constructor(readonly scheme: string) {}

  /** Reads the equals sign under the cursor and the value behind it. */
  readParam(cursor: Cursor, name: string): void {
    cursor.take('=');
    const text = cursor.peek() === '"' ? skipQuoted(cursor) : (cursor.match(UNQUOTED) ?? '');
    if (
      text === undefined ||
      this.params.has(name) ||
      this.params.size === MAX_PARAMS ||
      !/^[\s,;]?$/.test(cursor.peek())
    )
      this.malformed = true;
    else this.params.set(name, text);
  }
}

/** Reads a quoted string. @returns undefined when it has no end; the cursor is at the end of the header then */
function skipQuoted(cursor: Cursor): string | undefined {
  const text = tryParse(() => cursor.quotedString());
  if (text === undefined) cursor.at = cursor.text.length;
  return text;
}

/**
 * Finds the Digest credentials for a realm (RFC 3261 22.3). Those without user name, nonce, URI or response count as
 * none: IMS phones send them to be challenged (RFC 3310, TS 24.229).
 */
export function credentialsFor(
  realm: string,
  values: readonly AuthValue[],
): Credentials | MalformedCredentials | undefined {
  for (const { scheme, params, malformed } of values) {
    if (scheme !== 'digest' || params.get('realm')?.toLowerCase() !== realm) continue;
    const username = given(params, 'username');
    const nonce = given(params, 'nonce');
    const uri = given(params, 'uri');
    const response = given(params, 'response');
    if (username === undefined || nonce === undefined || uri === undefined || response === undefined) continue;
    const qop = qopOf(params);
    if (malformed || qop === 'malformed') return new MalformedCredentials(nonce);
    return defined({
      username,
      realm: params.get('realm') ?? realm,
      nonce,
      uri,
      response,
      algorithm: given(params, 'algorithm'),
      opaque: params.get('opaque'),
      qop,
    });
  }
  return undefined;
}

/** The value of a parameter; undefined when it is absent or blank. */
function given(params: ReadonlyMap<string, string>, name: string): string | undefined {
  const value = params.get(name);
  return value?.trim() ? value : undefined;
}

function qopOf(params: ReadonlyMap<string, string>): Credentials['qop'] | 'malformed' {
  const qop = given(params, 'qop');
  if (qop === undefined) return undefined;
  const nc = params.get('nc') ?? '';
  const cnonce = params.get('cnonce');
  if (qop.toLowerCase() !== 'auth' || !/^[0-9a-f]{8}$/i.test(nc) || !cnonce) return 'malformed';
  const count = Number.parseInt(nc, 16);
  return count === 0 ? 'malformed' : { nc, count, cnonce };
}
