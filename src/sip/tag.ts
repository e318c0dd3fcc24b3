import { param, parseParams } from './params.ts';
import { Cursor, SipSyntaxError } from './syntax.ts';

/** Everything of a From or To before its header parameters. */
const ADDRESS = /^(?:(?:"(?:[^"\\]|\\.)*"|[^"<>]*)<[^<>]*>|[^;]*)/s;

/** The tag of a From or To value; undefined without one, or when the value cannot be read. */
export function tagOf(value: string): string | undefined {
  if (!value.includes(';')) return undefined;
  const address = ADDRESS.exec(value)?.[0].length ?? 0;
  try {
    return param(parseParams(new Cursor(value, address)), 'tag');
  } catch (error) {
    if (error instanceof SipSyntaxError) return undefined;
    throw error;
  }
}
