import type { SipAnswer } from '../ports/sip-server.ts';
import { isNameAddr, tagOf, withBrackets } from '../sip/from-to.ts';
import { canonicalName, isKnownName } from '../sip/headers.ts';
import { type Header, headerLine, isSingleLine, type Wire } from '../sip/message.ts';
import { reasonPhrase } from '../sip/reason-phrases.ts';
import { formatVia, parseVias, type ReceivedVia, type Via, withSource } from '../sip/via.ts';
import type { Flow } from './transports/transport.ts';

/** Headers that an answer does not set: copied from the request (RFC 3261 8.2.6.2) or written here. */
const FIXED_HEADERS = new Set(['Via', 'From', 'To', 'Call-ID', 'CSeq', 'Content-Length', 'Max-Forwards']);

type Headers = Readonly<Record<string, string | readonly string[]>>;

/**
 * Builds a response (RFC 3261 8.2.6.2): text, or bytes when it repeats a header that is not UTF-8.
 * @param request its headers, with the source in the top Via; those that it lacks the response lacks too
 * @param tag the To tag, unless the request or the answer has one
 * @throws Error when a header of the answer or its reason phrase holds a line break
 */
export function composeResponse(request: readonly Header[], answer: SipAnswer, tag: string): Wire {
  const { status, reason = reasonPhrase(status), headers = {} } = answer;
  if (!isSingleLine(reason)) throw new Error('line break in the reason phrase');
  const toTag = (typeof headers.To === 'string' && tagOf(headers.To)) || tag;
  const startLine = `SIP/2.0 ${status} ${reason}\r\n`;
  const content = `${contentOf(headers)}\r\n`;
  if (request.every((header) => header.octets === undefined)) return startLine + repeated(request, toTag) + content;
  const octets = Buffer.from(repeated(request.map(inOctets), toTag), 'latin1');
  return Buffer.concat([Buffer.from(startLine), octets, Buffer.from(content)]);
}

/** The lines that a response repeats, with a tag in To unless there is one. */
function repeated(request: readonly Header[], toTag: string): string {
  let vias = '';
  let from = '';
  let to = '';
  let callId = '';
  let cseq = '';
  for (const { name, value } of request) {
    if (name === 'Via') vias += `Via: ${value}\r\n`;
    else if (name === 'From') from = `From: ${value}\r\n`;
    else if (name === 'To') to = `To: ${withTag(value, toTag)}\r\n`;
    else if (name === 'Call-ID') callId = `Call-ID: ${value}\r\n`;
    else if (name === 'CSeq') cseq = `CSeq: ${value}\r\n`;
  }
  return vias + from + to + callId + cseq;
}

function withTag(to: string, tag: string): string {
  return isNameAddr(to) && tagOf(to) === undefined ? `${withBrackets(to)};tag=${tag}` : to;
}

function inOctets({ name, value, octets }: Header): Header {
  return { name, value: octets ?? Buffer.from(value).toString('latin1') };
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
export function composeRequest(method: string, uri: string, headers: Headers, defaults: RequestDefaults): string {
  const given = (name: string) => [headers[name] ?? []].flat()[0];
  const from = withBrackets(given('From') ?? defaults.from);
  const fromTag = tagOf(from) === undefined ? `;tag=${defaults.fromTag}` : '';
  return (
    `${method} ${uri} SIP/2.0\r\nVia: ${formatVia(defaults.via)}\r\n` +
    headerLine('Max-Forwards', given('Max-Forwards') ?? '70') +
    headerLine('From', from + fromTag) +
    headerLine('To', withBrackets(given('To') ?? uri)) +
    headerLine('Call-ID', given('Call-ID') ?? defaults.callId) +
    headerLine('CSeq', given('CSeq') ?? `${defaults.cseq} ${method}`) +
    `${contentOf(headers)}\r\n`
  );
}

/** The headers of a request, with its source added to the top Via. */
export function stampSource(
  headers: readonly Header[],
  topVia: ReceivedVia,
  { transport, address, port }: Flow,
): Header[] {
  const index = headers.findIndex((h) => h.name === 'Via');
  const { value = '', octets } = headers[index] ?? {};
  const stamp = (line: string, via: ReceivedVia) => withSource(line, via, address, port, transport.reliable);
  const stamped = { name: 'Via', value: stamp(value, topVia) };
  if (octets === undefined) return headers.with(index, stamped);
  return headers.with(index, { ...stamped, octets: stamp(octets, parseVias(octets)[0]) });
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
