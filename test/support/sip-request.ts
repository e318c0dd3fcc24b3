import { readHead } from '../../src/sip/head.ts';
import type { SipRequest, Source } from '../../src/sip/message.ts';
import { interpretHead } from '../../src/sip/parse-message.ts';

/** A request as handlers get it; missing mandatory headers are added. */
export function sipRequest(
  method: string,
  uri: string,
  headers: Readonly<Record<string, string>>,
  source: Source,
): SipRequest {
  const all = {
    Via: 'SIP/2.0/UDP phone.example.com;branch=z9hG4bK1',
    From: '<sip:a@example.com>;tag=1',
    To: '<sip:a@example.com>',
    'Call-ID': 'call',
    CSeq: `1 ${method}`,
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const { message } = interpretHead(readHead(`${method} ${uri} SIP/2.0\r\n${lines.join('')}\r\n`));
  if (message.kind !== 'request') throw new Error('a request was expected');
  return { ...message, source };
}
