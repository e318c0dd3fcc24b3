import { isNameAddr, tagOf, withBrackets } from '../sip/from-to.ts';
import { isKnownName } from '../sip/headers.ts';
import { type Header, headerValue, joinBody, type SipRequest, type Wire } from '../sip/message.ts';
import { formatVia, parseVias, type Via, withSource } from '../sip/via.ts';

/** What an app or the edge itself wants to say in a response; all else of it follows from the request. */
export interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly headers?: readonly Header[];
  readonly body?: Uint8Array;
}

/** RFC 3261 8.2.6: these of a response are the request's, or ours; an app's own copies are left out. */
const NOT_THE_APPS = new Set(['Via', 'From', 'To', 'Call-ID', 'CSeq', 'Content-Length', 'Max-Forwards']);

/**
 * Builds a response (RFC 3261 8.2.6.2).
 * @param request the headers of the request, its top Via with the source in it
 * @param tag the tag for To, unless the request's To has one, or the answer's
 */
export function composeResponse(request: readonly Header[], { status, reason, ...answer }: Answer, tag: string): Wire {
  const { headers = [], body = NO_BYTES } = answer;
  let vias = '';
  let from = '';
  let to = '';
  let callId = '';
  let cseq = '';
  for (const { name, value } of request) {
    if (name === 'Via') vias += `Via: ${value}\r\n`;
    else if (name === 'From') from = value;
    else if (name === 'To') to = value;
    else if (name === 'Call-ID') callId = value;
    else if (name === 'CSeq') cseq = value;
  }
  if (isNameAddr(to) && tagOf(to) === undefined && status > 100) {
    const given = headerValue(headers, 'To');
    to = `${withBrackets(to)};tag=${(given && tagOf(given)) || tag}`;
  }
  const head =
    `SIP/2.0 ${status} ${reason}\r\n${vias}From: ${from}\r\nTo: ${to}\r\nCall-ID: ${callId}\r\nCSeq: ${cseq}\r\n` +
    `${contentOf(headers, body)}\r\n`;
  return joinBody(head, body);
}

/** What the edge knows of a new request beyond what the app has written. */
export interface RequestDefaults {
  readonly via: Via;
  /** For a From of our own. */
  readonly from: string;
  readonly tag: string;
  readonly callId: string;
  readonly cseq: number;
}

/** Builds a new request out of an app's: its headers, and whatever of RFC 3261 8.1.1 it has left out. */
export function composeRequest(
  request: { readonly method: string; readonly uri: string; readonly headers: readonly Header[]; body: Uint8Array },
  defaults: RequestDefaults,
): Wire {
  const { method, uri, headers, body } = request;
  const from = withBrackets(headerValue(headers, 'From') ?? defaults.from);
  const to = withBrackets(headerValue(headers, 'To') ?? uri);
  // A digest client repeats the Call-ID of the first attempt beside one of its own: the last one counts.
  const callId = headers.findLast((h) => h.name === 'Call-ID')?.value ?? defaults.callId;
  const cseq = headers.findLast((h) => h.name === 'CSeq')?.value ?? `${defaults.cseq} ${method}`;
  const head =
    `${method} ${uri} SIP/2.0\r\nVia: ${formatVia(defaults.via)}\r\n` +
    `Max-Forwards: ${headerValue(headers, 'Max-Forwards') ?? '70'}\r\n` +
    `From: ${from}${tagOf(from) === undefined ? `;tag=${defaults.tag}` : ''}\r\nTo: ${to}\r\n` +
    `Call-ID: ${callId}\r\nCSeq: ${cseq}\r\n${contentOf(headers, body)}\r\n`;
  return joinBody(head, body);
}

/** The headers of a request with its source in the top Via. */
export function stampSource({ headers, topVia }: SipRequest, address: string, port: number): Header[] {
  const index = headers.findIndex((h) => h.name === 'Via');
  const line = headers[index]?.value ?? '';
  const [, ...others] = line.includes(',') ? parseVias(line) : [];
  const value = [withSource(topVia, address, port), ...others].map(formatVia).join(', ');
  return headers.with(index, { name: 'Via', value });
}

const NO_BYTES = new Uint8Array(0);

/** The app's headers as drachtio orders them: those of the RFC, then Content-Length, then those of its own making. */
function contentOf(headers: readonly Header[], body: Uint8Array): string {
  let known = '';
  let own = '';
  for (const { name, value } of headers) {
    if (NOT_THE_APPS.has(name)) continue;
    if (isKnownName(name)) known += `${name}: ${value}\r\n`;
    else own += `${name}: ${value}\r\n`;
  }
  return `${known}Content-Length: ${body.length}\r\n${own}`;
}
