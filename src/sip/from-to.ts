import { parseNameAddr, readAddress } from './name-addr.ts';
import { param } from './params.ts';
import { Cursor, tryParse } from './syntax.ts';

/** From and To as far as a server needs them that only passes them on: valid or not, and the tag. */

export function isNameAddr(value: string): boolean {
  return tryParse(() => parseNameAddr(value)) !== undefined;
}

/** The tag of a From or To value; '' when it is empty, undefined without one. */
export function tagOf(value: string): string | undefined {
  if (!value.includes(';')) return undefined;
  const nameAddr = tryParse(() => parseNameAddr(value));
  return nameAddr && param(nameAddr.params, 'tag');
}

/** The value with angle brackets around its URI, so that the parameters after it belong to the header (RFC 3261 20.10). */
export function withBrackets(value: string): string {
  const cursor = new Cursor(value);
  const address = tryParse(() => readAddress(cursor));
  return address && !address.bracketed ? `<${address.uriText}>${value.slice(cursor.at)}` : value;
}
