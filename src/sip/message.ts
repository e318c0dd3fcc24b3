import type { CSeq } from './cseq.ts';
import { isToken } from './syntax.ts';
import type { ReceivedVia } from './via.ts';

/** One header line. Lists stay as they were sent: several lines of one name, several values in a line. */
export interface Header {
  /** In its usual spelling, compact forms expanded. */
  readonly name: string;
  /** Unfolded, without white space around it. */
  readonly value: string;
  /** The value as it was sent, a character for each octet; only when that was not UTF-8. */
  readonly octets?: string;
}

/** One end of a message's path. */
export interface Endpoint {
  /** `udp`, `tcp` or `tls`; for WebSocket the one below it. */
  readonly transport: string;
  /** IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
}

/** Where a request came from. */
export type Source = Endpoint;

interface Message {
  /** In the order of the wire. */
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
}

/** What every message must carry (RFC 3261 8.1.1), read once. */
interface Mandatory {
  /** The first value of the first Via line. */
  readonly topVia: ReceivedVia;
  readonly from: string;
  readonly to: string;
  readonly callId: string;
  readonly cseq: CSeq;
}

/** A request as it was received. */
export interface SipRequest extends Message, Mandatory {
  readonly kind: 'request';
  readonly method: string;
  /** The Request-URI as written. */
  readonly uri: string;
  readonly source: Source;
  /** The address that received it, as bound on the SIP server's machine; undefined when the SIP server does not say. */
  readonly receivedOn: Endpoint | undefined;
}

/** A response to a request of ours. */
export interface SipResponse extends Message {
  readonly kind: 'response';
  readonly status: number;
  readonly reason: string;
  /** The SIP server made it: no answer came (408), or the peer could not be reached (503). */
  readonly local: boolean;
  /** Why there is no response of the peer, for a local one, when known. */
  readonly why?: string;
}

/** A request as parsed: bytes do not tell where they came from. */
export type ParsedRequest = Omit<SipRequest, 'source' | 'receivedOn'>;
export type ParsedResponse = SipResponse & Mandatory;
export type ParsedMessage = ParsedRequest | ParsedResponse;

/** A message as it goes to the network: text as long as its body is none, as text costs less to keep than bytes. */
export type Wire = string | Uint8Array;

export const NO_BODY = new Uint8Array(0);

/** What was read is no SIP message. The only error the parser throws. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
  constructor(
    /** The response it deserves, if its headers tell where to: 400, 413 or 505. */
    readonly status: 400 | 413 | 505,
    /** What is wrong, fit for a reason phrase. */
    override readonly message: string,
    /** The method, when it is a request; undefined for a response or when not even that can be told. */
    readonly method: string | undefined,
    /** The headers that could be read. */
    readonly headers: readonly Header[],
  ) {
    super(message);
  }
}

/** The value of the first header of that (usually spelled) name. */
export function headerValue(headers: readonly Header[], name: string): string | undefined {
  for (const header of headers) if (header.name === name) return header.value;
  return undefined;
}

/** The values of a header, one for each line of that name, in order. */
export function headerValues(headers: readonly Header[], name: string): string[] {
  return headers.filter((header) => header.name === name).map((header) => header.value);
}

/** All lines of a name as the one list that they are (RFC 3261 7.3.1); undefined when there is none. */
export function combinedHeader(headers: readonly Header[], name: string): string | undefined {
  let value: string | undefined;
  for (const header of headers)
    if (header.name === name) value = value === undefined ? header.value : `${value}, ${header.value}`;
  return value;
}

/** One header line. @throws Error when the value would end its line, or the name is no token */
export function headerLine(name: string, value: string): string {
  if (!isToken(name)) throw new Error(`not a header name: ${JSON.stringify(name)}`);
  if (!isSingleLine(value)) throw new Error(`line break in the value of ${name}`);
  return `${name}: ${value}\r\n`;
}

/** Whether a text holds nothing that ends a line; a NUL does for some parsers. */
export function isSingleLine(text: string): boolean {
  return !/[\r\n\0]/.test(text);
}
