import type { SipAnswer, SipRequest } from '../../ports/sip-server.ts';
import { readHead } from '../../sip/head.ts';
import type { Header } from '../../sip/message.ts';

/** A request that came in a frame, and what its answer must name. */
export interface Inbound {
  readonly transactionId: string;
  readonly request: Omit<SipRequest, 'server'>;
}

/** drachtio-server never reads on after a frame over 12 228 bytes; ours stay below with room for its leader. */
export const MAX_TEXT_BYTES = 12_000;

const REQUEST_LINE = /^(\S+) (\S+) SIP\/2\.0$/;

/** Reason phrases (RFC 3261 21) of what we answer. */
const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  423: 'Interval Too Brief',
  500: 'Server Internal Error',
  503: 'Service Unavailable',
};

/** Ids are UUIDs. */
const ID_LENGTH = 36;
const RESPONSE = '|response|';

/**
 * Reads `<id>|response|<id of what it answers>|OK…`, which follows everything that is sent to the server.
 * @returns undefined for any other kind of message
 */
export function readAcknowledgement(message: string): { messageId: string; ok: boolean } | undefined {
  if (!message.startsWith(RESPONSE, ID_LENGTH)) return undefined;
  const start = ID_LENGTH + RESPONSE.length;
  const end = start + ID_LENGTH;
  return { messageId: message.slice(start, end), ok: message.startsWith('|OK', end) };
}

/**
 * Reads a frame's payload: `<id>|sip|network|<bytes>|<proto>|<ip>|<port>|<time>|<transaction>|<dialog>|<local ip>|<local
 * port>|` and the SIP message after CRLF.
 * @returns undefined for any other kind of message, a SIP response among them
 */
export function readInbound(message: string): Inbound | undefined {
  const end = message.indexOf('\r\n');
  const [, kind, source, , transport, address, port, , transactionId, , localIp] = message.slice(0, end).split('|');
  if (end < 0 || kind !== 'sip' || source !== 'network' || localIp === undefined) return undefined;
  if (transport === undefined || address === undefined || transactionId === undefined) return undefined;
  const text = message.slice(end + 2);
  const blank = text.indexOf('\r\n\r\n');
  const { startLine, headers } = readHead(blank < 0 ? text : text.slice(0, blank + 2));
  const [, method, uri] = REQUEST_LINE.exec(startLine) ?? [];
  if (method === undefined || uri === undefined) return undefined;
  return {
    transactionId,
    request: {
      method,
      uri,
      headers,
      header: (name) => joined(headers, name),
      source: { address, port: Number(port) },
      transport,
    },
  };
}

/**
 * The text that answers a request. Via, From, To, Call-ID and CSeq are the server's to fill in.
 * @throws Error when it has a line break inside a value or is longer than drachtio can take
 */
export function writeAnswer(transactionId: string, { status, reason, headers = {} }: SipAnswer): string {
  let text = `sip|${transactionId}|\r\nSIP/2.0 ${status} ${reason ?? REASONS[status] ?? 'Unknown'}\r\n`;
  for (const [name, value] of Object.entries(headers))
    for (const one of typeof value === 'string' ? [value] : value) text += headerLine(name, one);
  text += 'Content-Length: 0\r\n\r\n';
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_TEXT_BYTES) throw new Error(`an answer of ${bytes} bytes is more than drachtio takes`);
  return text;
}

/** @throws Error when the value would end its line */
export function headerLine(name: string, value: string): string {
  if (/[\r\n\0]/.test(value)) throw new Error(`line break in the value of ${name}`);
  return `${name}: ${value}\r\n`;
}

/** Several lines of one name are one list (RFC 3261 7.3.1). */
function joined(headers: readonly Header[], name: string): string | undefined {
  let value: string | undefined;
  for (const header of headers)
    if (header.name === name) value = value === undefined ? header.value : `${value}, ${header.value}`;
  return value;
}
