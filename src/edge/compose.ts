import type { SipAnswer } from '../ports/sip-server.ts';
import { isNameAddr, tagOf, withBrackets } from '../sip/from-to.ts';
import { canonicalName, isKnownName } from '../sip/headers.ts';
import { type Header, headerLine, isSingleLine } from '../sip/message.ts';
import { reasonPhrase } from '../sip/reason-phrases.ts';
import { formatVia, parseVias, type Via, withSource } from '../sip/via.ts';

/** Headers that an answer does not set: copied from the request (RFC 3261 8.2.6.2) or written here. */
const FIXED_HEADERS = new Set(['Via', 'From', 'To', 'Call-ID', 'CSeq', 'Content-Length', 'Max-Forwards']);

type Headers = Readonly<Record<string, string | readonly string[]>>;

/**
 * Builds a response (RFC 3261 8.2.6.2).
 * @param request its headers, with the source in the top Via
 * @param tag the To tag, unless the request or the answer has one
 * @throws Error when a header of the answer or its reason phrase holds a line break
 */
export function composeResponse(request: readonly Header[], answer: SipAnswer, tag: string): string {
  const { status, reason = reasonPhrase(status), headers = {} } = answer;
  if (!isSingleLine(reason)) throw new Error('line break in the reason phrase');
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
    const { To: given } = headers;
    to = `${withBrackets(to)};tag=${(typeof given === 'string' && tagOf(given)) || tag}`;
  }
  return (
    `SIP/2.0 ${status} ${reason}\r\n${vias}From: ${from}\r\nTo: ${to}\r\nCall-ID: ${callId}\r\nCSeq: ${cseq}\r\n` +
    `${contentOf(headers)}\r\n`
  );
}

/** Values for what the headers of a request leave open (RFC 3261 8.1.1). */
export interface RequestDefaults {
  readonly via: Via;
  readonly from: string;
  readonly fromTag: string;
  readonly callId: string;
  readonly cseq: number;
}

/** Builds a new request (RFC 3261 8.1.1). @throws Error when a header holds a line break */
export function composeRequest(
  method: string,
  uri: string,
  headers: Readonly<Record<string, string>>,
  defaults: RequestDefaults,
): string {
  const from = withBrackets(headers.From ?? defaults.from);
  const fromTag = tagOf(from) === undefined ? `;tag=${defaults.fromTag}` : '';
  return (
    `${method} ${uri} SIP/2.0\r\nVia: ${formatVia(defaults.via)}\r\n` +
    headerLine('Max-Forwards', headers['Max-Forwards'] ?? '70') +
    headerLine('From', from + fromTag) +
    headerLine('To', withBrackets(headers.To ?? uri)) +
    headerLine('Call-ID', headers['Call-ID'] ?? defaults.callId) +
    headerLine('CSeq', headers.CSeq ?? `${defaults.cseq} ${method}`) +
    `${contentOf(headers)}\r\n`
  );
}

/** The headers of a request, with its source added to the top Via. */
export function stampSource(headers: readonly Header[], topVia: Via, address: string, port: number): Header[] {
  const index = headers.findIndex((h) => h.name === 'Via');
  const line = headers[index]?.value ?? '';
  const [, ...others] = line.includes(',') ? parseVias(line) : [];
  const value = [withSource(topVia, address, port), ...others].map(formatVia).join(', ');
  return headers.with(index, { name: 'Via', value });
}

/** Header lines in drachtio's order: known headers, Content-Length, extensions. */
function contentOf(headers: Headers): string {
  let known = '';
  let extensions = '';
  for (const [written, value] of Object.entries(headers)) {
    const name = canonicalName(written);
    if (FIXED_HEADERS.has(name)) continue;
    let lines = '';
    for (const one of typeof value === 'string' ? [value] : value) lines += headerLine(name, one);
    if (isKnownName(name)) known += lines;
    else extensions += lines;
  }
  return `${known}Content-Length: 0\r\n${extensions}`;
}
