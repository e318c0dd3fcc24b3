import { type Param, parseParams } from './params.ts';
import { Cursor, TOKEN } from './syntax.ts';
import { parseUri, type SipUri } from './uri.ts';

/** The value of From, To, Contact and Route: a URI, an optional name before it, parameters after it (RFC 3261 20.10). */
export interface NameAddr {
  readonly displayName?: string;
  readonly uri: SipUri;
  /** The URI as it was written. */
  readonly uriText: string;
  readonly params: readonly Param[];
}

const BRACKETED = /<[^<>"]*>/y;
/** Without brackets a URI ends at the first `;`, `,` or `?` (RFC 3261 20.10). */
const BARE = /[^\s;,?<>"]+/y;
const DISPLAY_TOKENS = new RegExp(String.raw`${TOKEN}(?:[ \t\r\n]+${TOKEN})*(?=[ \t\r\n]*<)`, 'y');

/** Parses a header value that holds exactly one name-addr or addr-spec (From, To). @throws SipSyntaxError */
export function parseNameAddr(value: string): NameAddr {
  const cursor = new Cursor(value);
  const nameAddr = readNameAddr(cursor);
  if (!cursor.done) cursor.fail('unexpected text');
  return nameAddr;
}

/** Parses a comma-separated list of at most `max` of them (Contact, Route). @throws SipSyntaxError */
export function parseNameAddrs(value: string, max: number): NameAddr[] {
  const cursor = new Cursor(value);
  const list: NameAddr[] = [];
  do {
    if (list.length === max) cursor.fail('too many addresses');
    list.push(readNameAddr(cursor));
  } while (cursor.take(','));
  if (!cursor.done) cursor.fail('unexpected text');
  return list;
}

function readNameAddr(cursor: Cursor): NameAddr {
  cursor.skipSpace();
  let displayName: string | undefined;
  if (cursor.peek() === '"') displayName = cursor.quotedString();
  else displayName = cursor.match(DISPLAY_TOKENS);
  cursor.skipSpace();

  const bracketed = cursor.match(BRACKETED);
  const uriText = bracketed ? bracketed.slice(1, -1).trim() : displayName === undefined && cursor.match(BARE);
  if (!uriText) return cursor.fail('URI expected');
  const uri = parseUri(uriText);
  const params = parseParams(cursor);
  cursor.skipSpace();
  return { ...(displayName !== undefined && { displayName }), uri, uriText, params };
}
