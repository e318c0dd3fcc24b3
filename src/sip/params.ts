import { type Cursor, quote } from './syntax.ts';

/** One `;name=value`. `quoted` remembers how the value was written, so that it is written back the same way. */
export interface Param {
  /** Lower case: parameter names do not distinguish case (RFC 3261 7.3.1). */
  readonly name: string;
  readonly value?: string;
  readonly quoted?: true;
}

/** Bounds what one header makes us allocate; real ones have fewer. */
const MAX_PARAMS = 32;
/** Phones write more than a token and a host (RFC 3261 25.1): all but what separates parameters and values. */
const NAME = /[^\s;,="<>]+/y;
const VALUE = /<[^\s"<>]*>|[^\s;,"<>]+/y;

/**
 * Reads `*( SEMI generic-param )` (RFC 3261 25.1) from the cursor on.
 * @param emptyValues whether a value may be empty: `;name=`
 * @throws SipSyntaxError
 */
export function parseParams(cursor: Cursor, emptyValues = false): Param[] {
  const params: Param[] = [];
  while (cursor.take(';')) {
    if (params.length === MAX_PARAMS) cursor.fail('too many parameters');
    const name = (cursor.match(NAME) ?? cursor.fail('parameter name expected')).toLowerCase();
    if (!cursor.take('=')) params.push({ name });
    else if (cursor.peek() === '"') params.push({ name, value: cursor.quotedString(), quoted: true });
    else {
      const value = cursor.match(VALUE) ?? (emptyValues ? '' : cursor.fail(`value of ${name} expected`));
      params.push({ name, value });
    }
  }
  return params;
}

/** The inverse of {@link parseParams}: `;name=value;other`, '' for none. */
export function formatParams(params: readonly Param[]): string {
  let text = '';
  for (const { name, value, quoted } of params)
    text += value === undefined ? `;${name}` : `;${name}=${quoted ? quote(value) : value}`;
  return text;
}

/** The value of the first parameter of that (lower-case) name; '' when it stands without one. */
export function param(params: readonly Param[], name: string): string | undefined {
  const found = params.find((p) => p.name === name);
  return found && (found.value ?? '');
}
