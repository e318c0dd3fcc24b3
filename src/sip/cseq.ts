import { SipSyntaxError, TOKEN } from './syntax.ts';

/** The sequence number of a request and its method (RFC 3261 20.16). */
export interface CSeq {
  readonly number: number;
  readonly method: string;
}

const CSEQ = new RegExp(String.raw`^(\d+)[ \t]+(${TOKEN})$`);
/** RFC 3261 8.1.1.5: less than 2**31. */
const LIMIT = 2 ** 31;

/** @throws SipSyntaxError also when the number is out of its range */
export function parseCSeq(value: string): CSeq {
  const [, digits, method] = CSEQ.exec(value) ?? [];
  const number = Number(digits);
  if (method === undefined || !(number < LIMIT)) throw new SipSyntaxError('number and method expected');
  return { number, method };
}
