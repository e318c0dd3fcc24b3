import type { SipAnswer } from '../../ports/sip-server.ts';
import { readHead } from '../../sip/head.ts';
import { normalIp, unbracketed } from '../../sip/ip.ts';
import { type Endpoint, headerLine, MalformedMessage, type SipRequest, type Source } from '../../sip/message.ts';
import { interpretHead } from '../../sip/parse-message.ts';
import { reasonPhrase } from '../../sip/reason-phrases.ts';

/** A request as it arrives: the server's words about it, and its text. */
export interface Received {
  readonly transactionId: string;
  readonly source: Source;
  readonly receivedOn: Endpoint | undefined;
  /** From its start line on. */
  readonly text: string;
}

/** drachtio-server stops reading after a frame over 12 228 bytes; this leaves room for the frame's first line. */
export const MAX_TEXT_BYTES = 12_000;

const ID_LENGTH = 36;
const RESPONSE = '|response|';

/** Parses `<id>|response|<id of our message>|OK…`. @returns undefined for any other message */
export function readAcknowledgement(message: string): { messageId: string; ok: boolean } | undefined {
  if (!message.startsWith(RESPONSE, ID_LENGTH)) return undefined;
  const start = ID_LENGTH + RESPONSE.length;
  const end = start + ID_LENGTH;
  return { messageId: message.slice(start, end), ok: message.startsWith('|OK', end) };
}

/**
 * Parses `<id>|sip|network|<bytes>|<proto>|<ip>|<port>|<time>|<transaction>|<dialog>|<local ip>|<local port>|`, CRLF and
 * a SIP request. The local address is that of the listener, also behind NAT; drachtio has sent it since v0.8.4.
 * @returns undefined for any other message, a response included
 */
export function readReceived(message: string): Received | undefined {
  const end = message.indexOf('\r\n');
  const fields = message.slice(0, end).split('|');
  const [, kind, source, , transport, address, port, , transactionId, , localIp = '', localPort = ''] = fields;
  if (end < 0 || kind !== 'sip' || source !== 'network') return undefined;
  if (transport === undefined || address === undefined || transactionId === undefined) return undefined;
  if (message.startsWith('SIP/', end + 2)) return undefined;
  return {
    transactionId,
    source: { transport, address, port: Number(port) },
    receivedOn: localEnd(transport, localIp, localPort),
    text: message.slice(end + 2),
  };
}

function localEnd(transport: string, host: string, port: string): Endpoint | undefined {
  const address = normalIp(unbracketed(host));
  return address !== undefined && /^\d{1,5}$/.test(port) ? { transport, address, port: Number(port) } : undefined;
}

/** Reads a request. */
export function readRequest({ text, source, receivedOn }: Received): SipRequest | MalformedMessage {
  try {
    // drachtio has accepted the header lines: a fault in them is not ours to refuse.
    const { message } = interpretHead({ ...readHead(headOf(text, 0)), fault: undefined });
    if (message.kind !== 'request') return new MalformedMessage(400, 'Malformed Start Line', undefined, []);
    return { ...message, source, receivedOn };
  } catch (error) {
    if (error instanceof MalformedMessage) return error;
    throw error;
  }
}

/** A SIP message from its start line to its last header line. @param start of its start line */
export function headOf(message: string, start: number): string {
  const blank = message.indexOf('\r\n\r\n', start);
  return blank < 0 ? message.slice(start) : message.slice(start, blank + 2);
}

/**
 * Composes the response to a request; drachtio adds Via, From, To, Call-ID and CSeq.
 * @throws Error when a value has a line break, or the message is too long for drachtio
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
