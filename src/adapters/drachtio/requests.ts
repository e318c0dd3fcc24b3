import { isIPv4, isIPv6 } from 'node:net';
import type { OutboundRequest, SipResponse } from '../../ports/sip-server.ts';
import { readHead } from '../../sip/head.ts';
import { headerLine, MAX_TEXT_BYTES } from './messages.ts';

/** A response as it came in a frame. */
export interface Answered {
  readonly transactionId: string;
  readonly response: SipResponse;
}

/** What the server says of a request that it was given. */
export type Sent = { readonly ok: true; readonly transactionId: string } | { readonly ok: false; readonly why: string };

const ROUTE = /^sip:(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):(\d{1,5});transport=(?:udp|tcp|tls)$/;
/** As RFC 3261 25.1 has it: no spaces, no control characters, none of the characters that end a URI. */
const REQUEST_URI = /^sips?:[^\s<>"\p{Cc}]+$/u;
const NAME = /^[A-Za-z0-9\-.!%*_+`'~]+$/;
const STATUS_LINE = /^SIP\/2\.0 ([1-6]\d\d)(?: (.*))?$/;

/**
 * The text that has a request sent: `sip|||<route>` and the request after CRLF.
 * @throws Error when it would be something else than what it seems (a line break in a value, a route that is no address),
 * or is longer than drachtio can take
 */
export function writeRequest({ method, uri, route, headers }: OutboundRequest): string {
  const [, v6, v4, port] = ROUTE.exec(route) ?? [];
  const isAddress = v6 === undefined ? isIPv4(v4 ?? '') : isIPv6(v6);
  if (!isAddress || Number(port) > 65_535) throw new Error(`not a route: ${JSON.stringify(route)}`);
  if (!REQUEST_URI.test(uri)) throw new Error(`not a Request-URI: ${JSON.stringify(uri)}`);
  let text = `sip|||${route}\r\n${method} ${uri} SIP/2.0\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    if (!NAME.test(name)) throw new Error(`not a header name: ${JSON.stringify(name)}`);
    text += headerLine(name, value);
  }
  text += 'Content-Length: 0\r\n\r\n';
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_TEXT_BYTES) throw new Error(`a request of ${bytes} bytes is more than drachtio takes`);
  return text;
}

/**
 * Reads what acknowledges a request: `<id>|response|<id of the request's message>|OK|application|<bytes>|<proto>|<ip>|
 * <port>|<time>|<transaction>|…`, or `…|NOK|<reason>`.
 */
export function readSent(acknowledgement: string): Sent {
  const end = acknowledgement.indexOf('\r\n');
  const [, , , verdict, ...rest] = (end < 0 ? acknowledgement : acknowledgement.slice(0, end)).split('|');
  const transactionId = rest[6];
  if (verdict === 'OK' && transactionId) return { ok: true, transactionId };
  return { ok: false, why: rest.join('|') || 'drachtio did not send it' };
}

/**
 * Reads a frame's payload: `<id>|sip|network|<bytes>|<proto>|<ip>|<port>|<time>|<transaction>||` and the SIP response
 * after CRLF; 0 bytes from nobody are a response that the server made itself.
 * @returns undefined for any other kind of message, a SIP request among them
 */
export function readResponse(message: string): Answered | undefined {
  const end = message.indexOf('\r\n');
  if (end < 0 || !message.startsWith('SIP/2.0 ', end + 2)) return undefined;
  const [, kind, source, bytes, , address, , , transactionId] = message.slice(0, end).split('|');
  if (kind !== 'sip' || source !== 'network' || transactionId === undefined) return undefined;
  const text = message.slice(end + 2);
  const blank = text.indexOf('\r\n\r\n');
  const { startLine, headers } = readHead(blank < 0 ? text : text.slice(0, blank + 2));
  const [, status, reason = ''] = STATUS_LINE.exec(startLine) ?? [];
  if (status === undefined) return undefined;
  const response = {
    status: Number(status),
    reason,
    local: bytes === '0' && address === '',
    header: (name: string) => headers.filter((header) => header.name === name).map((header) => header.value),
  };
  return { transactionId, response };
}
