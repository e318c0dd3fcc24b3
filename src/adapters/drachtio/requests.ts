import { isIP } from 'node:net';
import type { OutboundRequest } from '../../ports/sip-server.ts';
import { readHead } from '../../sip/head.ts';
import { joinHostPort } from '../../sip/ip.ts';
import { headerLine, NO_BODY, type SipResponse } from '../../sip/message.ts';
import { headOf, MAX_TEXT_BYTES } from './messages.ts';

export interface Answered {
  readonly transactionId: string;
  readonly response: SipResponse;
}

export type Sent = { readonly ok: true; readonly transactionId: string } | { readonly ok: false; readonly why: string };

/** RFC 3261 25.1: no spaces, no control characters, no characters that end a URI. */
const REQUEST_URI = /^sips?:[^\s<>"\p{Cc}]+$/u;
const STATUS_LINE = /^SIP\/2\.0 ([1-6]\d\d)(?: (.*))?$/;

/**
 * Composes `sip|||<route>`, CRLF and a SIP request.
 * @throws Error when a value has a line break, the next hop is not an address, or the message is too long for drachtio
 */
export function writeRequest({ method, uri, nextHop, headers }: OutboundRequest): string {
  const { address, port, transport } = nextHop;
  if (isIP(address) === 0 || !(port > 0 && port < 65_536))
    throw new Error(`not an address: ${JSON.stringify(joinHostPort(address, port))}`);
  if (!REQUEST_URI.test(uri)) throw new Error(`not a Request-URI: ${JSON.stringify(uri)}`);
  let text = `sip|||sip:${joinHostPort(address, port)};transport=${transport}\r\n${method} ${uri} SIP/2.0\r\n`;
  for (const [name, value] of Object.entries(headers))
    for (const one of typeof value === 'string' ? [value] : value) text += headerLine(name, one);
  text += 'Content-Length: 0\r\n\r\n';
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_TEXT_BYTES) throw new Error(`a request of ${bytes} bytes is more than drachtio takes`);
  return text;
}

/**
 * Parses `<id>|response|<id of our message>|OK|application|<bytes>|<proto>|<ip>|<port>|<time>|<transaction>|…`, or
 * `…|NOK|<reason>`.
 */
export function readSent(acknowledgement: string): Sent {
  const end = acknowledgement.indexOf('\r\n');
  const [, , , verdict, ...rest] = (end < 0 ? acknowledgement : acknowledgement.slice(0, end)).split('|');
  const transactionId = rest[6];
  if (verdict === 'OK' && transactionId) return { ok: true, transactionId };
  return { ok: false, why: rest.join('|') || 'drachtio did not send it' };
}

/**
 * Parses `<id>|sip|network|<bytes>|<proto>|<ip>|<port>|<time>|<transaction>||`, CRLF and a SIP response. A response that
 * the server made itself has 0 bytes and no address.
 * @returns undefined for any other message
 */
export function readResponse(message: string): Answered | undefined {
  const end = message.indexOf('\r\n');
  if (end < 0 || !message.startsWith('SIP/2.0 ', end + 2)) return undefined;
  const [, kind, source, bytes, , address, , , transactionId] = message.slice(0, end).split('|');
  if (kind !== 'sip' || source !== 'network' || transactionId === undefined) return undefined;
  const { startLine, headers } = readHead(headOf(message, end + 2));
  const [, status, reason = ''] = STATUS_LINE.exec(startLine) ?? [];
  if (status === undefined) return undefined;
  const local = bytes === '0' && address === '';
  const response: SipResponse = {
    kind: 'response',
    status: Number(status),
    reason,
    local,
    ...(local && status === '408' && { why: 'no response' }),
    headers,
    body: NO_BODY,
  };
  return { transactionId, response };
}
