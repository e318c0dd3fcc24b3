import { param, parseParams } from './params.ts';
import { Cursor, TOKEN, TOKEN_CHARS, tryParse } from './syntax.ts';

/**
 * From and To, read only as far as a server needs that passes them on: sound or not, and the tag. Whoever wants the URI
 * takes name-addr.ts.
 *
 * name-addr or addr-spec of any scheme, with parameters (RFC 3261 20.10). Display names may hold letters beyond ASCII,
 * which the grammar wants quoted and phones do not quote. Each part ends where none of its own characters can stand, so
 * that no text makes the expression try twice.
 */
const QUOTED = String.raw`"(?:[^"\\]|\\.)*"`;
const SCHEME = String.raw`[A-Za-z][\w+.-]*:`;
const DISPLAY_NAME = String.raw`(?:${QUOTED}[ \t]*|[${TOKEN_CHARS} \t\u0080-\uffff]*)`;
const PARAM = String.raw`[ \t]*;[ \t]*${TOKEN}(?:[ \t]*=[ \t]*(?:${QUOTED}|[^\s;,"<>]+))?`;
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

/** The value with angle brackets around its URI, so that parameters after it belong to the header beyond doubt. */
export function withBrackets(value: string): string {
  if (value.includes('<')) return value;
  const address = ADDRESS.exec(value)?.[0] ?? value;
  return `<${address.trim()}>${value.slice(address.length)}`;
}
