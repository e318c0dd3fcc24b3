import { type Param, parseParams } from './params.ts';
import { Cursor } from './syntax.ts';

/** The value of From, To, Contact and Route: a URI, perhaps with a name before it and parameters after it (RFC 3261 20.10). */
export interface NameAddr {
  /** The URI as it was written, of any scheme. */
  readonly uriText: string;
  readonly params: readonly Param[];
}

/** What stands before the parameters. */
interface Address {
  readonly uriText: string;
  readonly bracketed: boolean;
}

/** `Contact: *` (RFC 3261 10.2.2), as {@link parseContacts} returns it. */
export const WILDCARD = '*';

// Each expression matches in one way only and is tried once per address, so that reading takes linear time.
const BRACKETED = /<[ \t]*[A-Za-z][A-Za-z0-9+.-]*:(?!\s*>)[^<>"]+>/y;
/**
 * Without brackets a URI ends at the first `;`, in a list at the first `,` too, and holds no `?` (RFC 3261 20.10). With
 * anything else after it, it is the beginning of a display name.
 */
const BARE = /[A-Za-z][A-Za-z0-9+.-]*:[^\s;?<>"]+(?=[ \t]*(?:;|$))/y;
const BARE_IN_LIST = /[A-Za-z][A-Za-z0-9+.-]*:[^\s;,?<>"]+(?=[ \t]*(?:[;,]|$))/y;
const WILDCARD_IN_LIST = /\*(?=[ \t]*(?:[;,]|$))/y;

/** Parses a header value that holds exactly one name-addr or addr-spec (From, To). @throws SipSyntaxError */
export function parseNameAddr(value: string): NameAddr {
  const cursor = new Cursor(value);
  const { uriText } = readAddress(cursor);
  const params = parseParams(cursor, true);
  expectEnd(cursor);
  return { uriText, params };
}

/** Parses a comma-separated list of at most `max` of them (Contact, Route). @throws SipSyntaxError */
export function parseNameAddrs(value: string, max: number): NameAddr[] {
  const cursor = new Cursor(value);
  return readList(cursor, max, () => readAddress(cursor, BARE_IN_LIST).uriText);
}

/** {@link parseNameAddrs}, where a {@link WILDCARD} may stand for an address. @throws SipSyntaxError */
export function parseContacts(value: string, max: number): NameAddr[] {
  const cursor = new Cursor(value);
  return readList(cursor, max, () => cursor.match(WILDCARD_IN_LIST) ?? readAddress(cursor, BARE_IN_LIST).uriText);
}

/**
 * Reads what stands before the parameters. The display name may hold any characters without quotes, as many phones write
 * it, but `<` and single `"`; the URI in brackets any but `<`, `>`, `"`.
 * @throws SipSyntaxError
 */
export function readAddress(cursor: Cursor, bare = BARE): Address {
  cursor.skipSpace();
  if (cursor.peek() !== '<') {
    const uriText = cursor.match(bare);
    if (uriText !== undefined) return { uriText, bracketed: false };
    skipDisplayName(cursor);
  }
  const bracketed = cursor.match(BRACKETED) ?? cursor.fail('URI expected');
  return { uriText: bracketed.slice(1, -1).trim(), bracketed: true };
}

function readList(cursor: Cursor, max: number, readUri: () => string): NameAddr[] {
  const list: NameAddr[] = [];
  cursor.skipSpace();
  do {
    if (list.length === max) cursor.fail('too many addresses');
    list.push({ uriText: readUri(), params: parseParams(cursor, true) });
  } while (cursor.take(','));
  expectEnd(cursor);
  return list;
}

function expectEnd(cursor: Cursor): void {
  cursor.skipSpace();
  if (!cursor.done) cursor.fail('unexpected text');
}

function skipDisplayName(cursor: Cursor): void {
  for (let char = cursor.peek(); char !== '<' && char !== ''; char = cursor.peek()) {
    if (char === '"') cursor.quotedString();
    else cursor.at++;
  }
}
