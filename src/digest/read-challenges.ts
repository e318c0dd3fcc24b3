import { defined } from '../lib/defined.ts';
import { Cursor, TOKEN, tryParse } from '../sip/syntax.ts';
import { type Algorithm, algorithmNamed } from './algorithm.ts';

/** A challenge that we support (RFC 7616 3.3). */
export interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  readonly algorithm: Algorithm;
  readonly opaque?: string;
  /** Whether it offers qop `auth`; without, credentials are in the style of RFC 2069. */
  readonly qop: boolean;
  readonly stale: boolean;
}

type Params = Map<string, string>;

/** Challenges beyond these are left out. */
const MAX_CHALLENGES = 16;
const MAX_PARAMS = 24;
const SEPARATORS = /[\s,;]*/y;
const PARAM_NAME = new RegExp(String.raw`${TOKEN}(?=\s*=)`, 'y');
/** The quote after it has lost its opening one. */
const UNQUOTED = /[^\s,;"]*"?/y;
/** One value of a list without quotes: `auth,auth-int`. */
const UNQUOTED_QOP = /auth(?:-int)?(?=[\s,;]|$)[\s,]*/iy;
const WORD = /[^\s,;"]+/y;
const WORD_FOLLOWS = /\s+(?=[^\s,;])/y;
/** We repeat realm, nonce and opaque in a header, so they must not contain line breaks. */
const CONTROL = /\p{Cc}/u;

/**
 * The challenges of WWW-Authenticate or Proxy-Authenticate that we support, in their order. More lenient than the grammar
 * (RFC 3261 25.1), as a carrier is to be answered rather than corrected: any separators, or none behind a quote; quotes
 * missing or without an end; of a parameter given twice the first counts. Never throws.
 * @param lines one value per header line
 */
export function readChallenges(lines: readonly string[]): Challenge[] {
  return lines.flatMap(digestParams).slice(0, MAX_CHALLENGES).flatMap(supported);
}

/** The parameters of each Digest challenge of a line, by lower-case name. */
function digestParams(line: string): Params[] {
  const cursor = new Cursor(line);
  const challenges: Params[] = [];
  /** Undefined within a challenge of another scheme. */
  let params: Params | undefined;
  for (;;) {
    cursor.match(SEPARATORS);
    if (cursor.done) return challenges;
    const name = cursor.match(PARAM_NAME)?.toLowerCase();
    if (name !== undefined) {
      const value = readValue(cursor, name);
      if (params && params.size < MAX_PARAMS && !params.has(name)) params.set(name, value);
      continue;
    }
    const word = cursor.match(WORD)?.toLowerCase();
    if (word === undefined) quoted(cursor);
    else if (word === 'digest') {
      params = new Map();
      challenges.push(params);
    } else if (cursor.match(WORD_FOLLOWS) !== undefined) params = undefined;
  }
}

/** Reads the equals sign under the cursor and the value after it. */
function readValue(cursor: Cursor, name: string): string {
  cursor.take('=');
  if (cursor.peek() === '"') return quoted(cursor);
  let qops = '';
  if (name === 'qop')
    for (let qop = cursor.match(UNQUOTED_QOP); qop !== undefined; qop = cursor.match(UNQUOTED_QOP)) qops += `${qop},`;
  return qops || (cursor.match(UNQUOTED) ?? '').replace('"', '');
}

/** Reads a quoted string; one without an end lasts as long as the line. */
function quoted(cursor: Cursor): string {
  const text = tryParse(() => cursor.quotedString());
  if (text !== undefined) return text;
  const rest = cursor.text.slice(cursor.at + 1);
  cursor.at = cursor.text.length;
  return rest;
}

function supported(params: Params): Challenge[] {
  const realm = params.get('realm');
  const nonce = params.get('nonce');
  const opaque = params.get('opaque');
  const algorithm = algorithmNamed(params.get('algorithm')?.trim());
  const qops = (params.get('qop') ?? '')
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((qop) => qop !== '');
  if (realm === undefined || nonce === undefined || !algorithm) return [];
  if ([realm, nonce, opaque ?? ''].some((text) => CONTROL.test(text))) return [];
  if (qops.length > 0 && !qops.includes('auth')) return [];
  const stale = params.get('stale')?.trim().toLowerCase() === 'true';
  return [
    defined({
      realm: copied(realm),
      nonce: copied(nonce),
      algorithm,
      qop: qops.length > 0,
      stale,
      opaque: opaque === undefined ? undefined : copied(opaque),
    }),
  ];
}

/** A slice would keep the whole received message in memory. */
function copied(text: string): string {
  return Buffer.from(text).toString();
}
