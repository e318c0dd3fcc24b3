import type { CSeq } from './cseq.ts';
import type { Via } from './via.ts';

/** One header line. Lists stay as they were sent: several lines of one name, several values in a line. */
export interface Header {
  /** In its usual spelling, compact forms expanded. */
  readonly name: string;
  /** Unfolded, without white space around it. */
  readonly value: string;
}

interface Common {
  /** In the order of the wire. */
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
  /** The first value of the first Via line. */
  readonly topVia: Via;
  readonly from: string;
  readonly to: string;
  readonly callId: string;
  readonly cseq: CSeq;
}

export interface SipRequest extends Common {
  readonly kind: 'request';
  readonly method: string;
  /** The Request-URI as written. */
  readonly uri: string;
}

export interface SipResponse extends Common {
  readonly kind: 'response';
  readonly status: number;
  readonly reason: string;
}

export type SipMessage = SipRequest | SipResponse;

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

/** The inverse of parsing: start line, headers in their order, blank line. The body follows it on the wire. */
export function formatHead(message: SipMessage, headers = message.headers): string {
  let text =
    message.kind === 'request'
      ? `${message.method} ${message.uri} SIP/2.0\r\n`
      : `SIP/2.0 ${message.status} ${message.reason}\r\n`;
  for (const { name, value } of headers) text += `${name}: ${value}\r\n`;
  return `${text}\r\n`;
}

/** The whole message as text or bytes; with other headers than its own if some are given. */
export function serialise(message: SipMessage, headers?: readonly Header[]): Wire {
  return joinBody(formatHead(message, headers), message.body);
}

/** A head and its body as one; text if there is no body. */
export function joinBody(head: string, body: Uint8Array): Wire {
  return body.length === 0 ? head : Buffer.concat([Buffer.from(head), body]);
}
