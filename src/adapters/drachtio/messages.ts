import type { SipAnswer } from '../../ports/sip-server.ts';
import { readHead } from '../../sip/head.ts';
import { headerLine, MalformedMessage, type SipRequest } from '../../sip/message.ts';
import { interpretHead } from '../../sip/parse-message.ts';
import { reasonPhrase } from '../../sip/reason-phrases.ts';

/** A request that came in a frame, or why it is none, and the transaction that its answer must name. */
export type Inbound = { readonly transactionId: string } & (
  | { readonly request: SipRequest }
  | { readonly malformed: MalformedMessage }
);

/** drachtio-server never reads on after a frame over 12 228 bytes; ours stay below with room for its leader. */
export const MAX_TEXT_BYTES = 12_000;

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
  const head = readHead(headOf(message, end + 2));
  if (head.startLine.startsWith('SIP/')) return undefined;
  try {
    // drachtio has judged the lines of the head; what they mean is read as everywhere.
    const { message: request } = interpretHead({ ...head, fault: undefined });
    if (request.kind !== 'request') return undefined;
    return { transactionId, request: { ...request, source: { transport, address, port: Number(port) } } };
  } catch (error) {
    if (error instanceof MalformedMessage) return { transactionId, malformed: error };
    throw error;
  }
}

/** The text of a frame's SIP message from its start line to its last header line. */
export function headOf(message: string, start: number): string {
  const blank = message.indexOf('\r\n\r\n', start);
  return blank < 0 ? message.slice(start) : message.slice(start, blank + 2);
}

/**
 * The text that answers a request. Via, From, To, Call-ID and CSeq are the server's to fill in.
 * @throws Error when it has a line break inside a value or is longer than drachtio can take
 */
export function writeAnswer(
  transactionId: string,
  { status, reason = reasonPhrase(status), headers = {} }: SipAnswer,
): string {
  let text = `sip|${transactionId}|\r\nSIP/2.0 ${status} ${reason}\r\n`;
  for (const [name, value] of Object.entries(headers))
    for (const one of typeof value === 'string' ? [value] : value) text += headerLine(name, one);
  text += 'Content-Length: 0\r\n\r\n';
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_TEXT_BYTES) throw new Error(`an answer of ${bytes} bytes is more than drachtio takes`);
  return text;
}
