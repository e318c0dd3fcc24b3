import { readHead } from '../../src/sip/head.ts';
import type { Endpoint, SipRequest, Source } from '../../src/sip/message.ts';
import { interpretHead } from '../../src/sip/parse-message.ts';

/**
 * The text of a request.
 * @param headers replace the usual ones or come after them; undefined removes one
 * @param more.extra header lines with their CRLFs, for what `headers` cannot say
 */
export function composeRequest(
  method: string,
  uri: string,
  headers: Readonly<Record<string, string | undefined>> = {},
  { extra = '', body = '' }: { readonly extra?: string; readonly body?: string } = {},
): string {
  const all = {
    Via: `SIP/2.0/UDP phone.example.com;branch=z9hG4bK${crypto.randomUUID()}`,
    'Max-Forwards': '70',
    From: '<sip:demo@sidecar.test>;tag=1',
    To: '<sip:demo@sidecar.test>',
    'Call-ID': crypto.randomUUID(),
    CSeq: `1 ${method}`,
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : `${name}: ${value}\r\n`));
  const length = Buffer.byteLength(body);
  return `${method} ${uri} SIP/2.0\r\n${lines.join('')}${extra}Content-Length: ${length}\r\n\r\n${body}`;
}

/** The text of a request to sidecar.test. @param via protocol and sent-by, as in `UDP 127.0.0.1:5062` */
export function request(
  method: string,
  via: string,
  options: { branch?: string; callId?: string; extra?: string; body?: string } = {},
): string {
  const { branch = `z9hG4bK${crypto.randomUUID()}`, callId = crypto.randomUUID() } = options;
  const headers = { Via: `SIP/2.0/${via};branch=${branch}`, 'Call-ID': callId };
  return composeRequest(method, 'sip:sidecar.test', headers, options);
}

/** The text of a response to a request that has no body. */
export function responseTo(request: string, status = '200 OK'): string {
  return `SIP/2.0 ${status}\r\n${request.slice(request.indexOf('\r\n') + 2)}`;
}

/** A request as handlers get it; missing mandatory headers are added. */
export function sipRequest(
  method: string,
  uri: string,
  headers: Readonly<Record<string, string>>,
  source: Source,
  receivedOn?: Endpoint,
): SipRequest {
  return receivedRequest(composeRequest(method, uri, headers), source, receivedOn);
}

/** The request of a text, as handlers get it. */
export function receivedRequest(text: string, source: Source, receivedOn?: Endpoint): SipRequest {
  const { message } = interpretHead(readHead(text));
  if (message.kind !== 'request') throw new Error('a request was expected');
  return { ...message, source, receivedOn };
}
