import { param, parseParams } from './params.ts';
import { Cursor, TOKEN, TOKEN_CHARS, tryParse } from './syntax.ts';

/**
 * From and To as far as a server needs them that only passes them on: valid or not, and the tag. name-addr.ts reads the
 * URI.
 */

const QUOTED = String.raw`"(?:[^"\\]|\\.)*"`;
const SCHEME = String.raw`[A-Za-z][\w+.-]*:`;
const DISPLAY_NAME = String.raw`(?:${QUOTED}[ \t]*|[${TOKEN_CHARS} \t\u0080-\uffff]*)`;
const PARAM = String.raw`[ \t]*;[ \t]*${TOKEN}(?:[ \t]*=[ \t]*(?:${QUOTED}|[^\s;,"<>]+))?`;
/**
 * name-addr or addr-spec of any scheme, with parameters (RFC 3261 20.10). Display names may have letters beyond ASCII
 * without quotes, as many phones write them. No part can end in more than one way, so there is no backtracking.
 */
const NAME_ADDR = new RegExp(
  String.raw`^(?:${DISPLAY_NAME}<[ \t]*${SCHEME}[^<>"\s]*[ \t]*>|${SCHEME}[^\s;,?<>"]+)(?:${PARAM})*$`,
  's',
);
/** Everything before the header parameters. */
const ADDRESS = /^(?:(?:"(?:[^"\\]|\\.)*"|[^"<>]*)<[^<>]*>|[^;]*)/s;

export function isNameAddr(value: string): boolean {
  return NAME_ADDR.test(value);
}

/** The tag of a From or To value; undefined without one, or when the value cannot be read. */
export function tagOf(value: string): string | undefined {
  if (!value.includes(';')) return undefined;
  const address = ADDRESS.exec(value)?.[0].length ?? 0;
  return tryParse(() => param(parseParams(new Cursor(value, address)), 'tag'));
}

/** The value with angle brackets around its URI, so that the parameters after it belong to the header (RFC 3261 20.10). */
export function withBrackets(value: string): string {
  if (value.includes('<')) return value;
  const address = ADDRESS.exec(value)?.[0] ?? value;
  return `<${address.trim()}>${value.slice(address.length)}`;
}
