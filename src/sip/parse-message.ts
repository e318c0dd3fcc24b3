import { type CSeq, parseCSeq } from './cseq.ts';
import { isNameAddr } from './from-to.ts';
import { type Head, readHeadBytes } from './head.ts';
import { type Header, headerValue, MalformedMessage, NO_BODY, type ParsedMessage } from './message.ts';
import { TOKEN, tryParse } from './syntax.ts';
import { parseVias, type ReceivedVia } from './via.ts';

const BLANK_LINE = Buffer.from('\r\n\r\n');
const REQUEST_LINE = new RegExp(String.raw`^(${TOKEN}) +([^\s<>"]+) +SIP/(\d+\.\d+)[ \t]*$`, 'i');
const STATUS_LINE = /^SIP\/2\.0 ([1-6]\d\d)(?: (.*))?$/i;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:./;
const SIP_SCHEME = /^sips?:/i;
/** A `?` before the `@` belongs to the user. */
const WITHOUT_HEADERS = /^[^:]*:(?:[^@]*@)?[^?]+$/;
const DIGITS = /^\d+$/;

/** Headers with one value that somebody reads, a bit for each. */
const SINGLE: Readonly<Record<string, number>> = Object.assign(Object.create(null), {
  From: 1,
  To: 2,
  'Call-ID': 4,
  CSeq: 8,
  'Max-Forwards': 16,
  'Content-Length': 32,
  Expires: 64,
});

/** Those of them that decide nothing about a response; the first value counts there. */
const OF_REQUESTS = new Set(['Max-Forwards', 'Expires']);

/** A head that was understood, and how many bytes of body belong to it. */
export interface ParsedHead {
  readonly message: ParsedMessage;
  readonly contentLength: number | undefined;
}

/**
 * Parses a datagram (RFC 3261 18.3): the body is as long as Content-Length says, or all there is without one; octets
 * after it are ignored. Strict where a lenient reading could differ from that of the next server, tolerant in
 * everything else (RFC 4475).
 * @throws MalformedMessage and nothing else
 */
export function parseMessage(datagram: Buffer): ParsedMessage {
  let start = 0;
  while (isFiller(datagram[start])) start++;
  const blank = datagram.indexOf(BLANK_LINE, start);
  const bodyAt = blank < 0 ? datagram.length : blank + 4;

  const { message, contentLength } = parseHead(
    datagram.subarray(start, bodyAt),
    blank < 0 ? 'Missing Blank Line' : undefined,
  );
  const length = contentLength ?? datagram.length - bodyAt;
  if (length > datagram.length - bodyAt) throw refusal(message, 'Content-Length Exceeds Message');
  return length === 0 ? message : { ...message, body: datagram.subarray(bodyAt, bodyAt + length) };
}

/** Whether a byte between two messages means nothing: CRLFs (RFC 3261 7.5), and what phones keep connections alive with. */
export function isFiller(byte: number | undefined): boolean {
  return byte === 0x0d || byte === 0x0a || byte === 0 || byte === 0x20 || byte === 0x09;
}

/**
 * Parses the bytes from the start line to the blank line; the message it returns has no body yet.
 * @param fault something that is known to be wrong already
 * @throws MalformedMessage and nothing else
 */
export function parseHead(bytes: Buffer, fault?: string): ParsedHead {
  const head = readHeadBytes(bytes);
  const parsed = interpretHead(fault === undefined ? head : { ...head, fault });
  const { message } = parsed;
  if (message.kind === 'request' && !isRequestUri(message.uri)) throw refusal(message, 'Malformed Request-URI');
  return parsed;
}

/**
 * Makes a message of a head that was taken apart; it has no body yet, and its Request-URI is not looked at.
 * @throws MalformedMessage and nothing else
 */
export function interpretHead(head: Head): ParsedHead {
  const [, method, uri, version] = REQUEST_LINE.exec(head.startLine) ?? [];
  const fail = (why: string, code: 400 | 505 = 400): never => {
    throw new MalformedMessage(code, why, method ?? methodOf(head), head.headers);
  };
  if (version !== undefined && version !== '2.0') fail('Version Not Supported', 505);
  const [, status, reason = ''] = method === undefined ? (STATUS_LINE.exec(head.startLine) ?? []) : [];
  if (method === undefined && status === undefined) fail('Malformed Start Line');
  if (head.fault !== undefined) fail(head.fault);

  const found = inspect(head.headers, method !== undefined);
  if (typeof found === 'string') return fail(found);
  const { topVia, from, to, callId, cseq, contentLength } = found;
  const { headers } = head;
  const body = NO_BODY;
  if (method === undefined || uri === undefined) {
    const code = Number(status);
    const message = {
      kind: 'response',
      status: code,
      reason,
      local: false,
      headers,
      body,
      topVia,
      from,
      to,
      callId,
      cseq,
    } as const;
    return { message, contentLength };
  }
  if (cseq.method !== method) fail('CSeq Method Mismatch');
  const message = { kind: 'request', method, uri, headers, body, topVia, from, to, callId, cseq } as const;
  return { message, contentLength };
}

/** What every message must carry, understood; or what is wrong with it, as a reason phrase. */
function inspect(headers: readonly Header[], isRequest: boolean) {
  let topVia: ReceivedVia | undefined;
  let from: string | undefined;
  let to: string | undefined;
  let callId: string | undefined;
  let cseq: CSeq | undefined;
  let contentLength: number | undefined;
  /** The bits of {@link SINGLE} seen: a second value would leave open which of them counts. */
  let seen = 0;

  for (const { name, value } of headers) {
    if (!isRequest && OF_REQUESTS.has(name)) continue;
    const single = SINGLE[name];
    if (single !== undefined) {
      if (seen & single) {
        if (headerValue(headers, name) !== value) return `Multiple ${name}`;
        continue;
      }
      seen |= single;
    }
    switch (name) {
      case 'Via':
        topVia ??= tryParse(() => parseVias(value))?.[0];
        if (!topVia) return 'Malformed Via';
        break;
      case 'From':
        if (!isNameAddr(value)) return 'Malformed From';
        from = value;
        break;
      case 'To':
        if (!isNameAddr(value)) return 'Malformed To';
        to = value;
        break;
      case 'Call-ID':
        if (value === '' || /\s/.test(value)) return 'Malformed Call-ID';
        callId = value;
        break;
      case 'CSeq':
        cseq = tryParse(() => parseCSeq(value));
        if (!cseq) return 'Malformed CSeq';
        break;
      case 'Max-Forwards':
        if (!DIGITS.test(value) || Number(value) > 255) return 'Malformed Max-Forwards';
        break;
      case 'Content-Length':
        contentLength = Number(value);
        if (!DIGITS.test(value) || !Number.isSafeInteger(contentLength)) return 'Malformed Content-Length';
        break;
    }
  }
  if (!topVia) return 'Missing Via';
  if (from === undefined) return 'Missing From';
  if (to === undefined) return 'Missing To';
  if (callId === undefined) return 'Missing Call-ID';
  if (cseq === undefined) return 'Missing CSeq';
  return { topVia, from, to, callId, cseq, contentLength };
}

/**
 * Any absolute URI, a SIP one without headers, which have no meaning here (RFC 3261 19.1.5). More is for those who read
 * it: a registrar looks for a domain, and OPTIONS is answered whatever it says.
 */
function isRequestUri(uri: string): boolean {
  return SIP_SCHEME.test(uri) ? WITHOUT_HEADERS.test(uri) : SCHEME.test(uri);
}

/** The first word of a start line that is beyond reading; undefined when it might be a response: those get no answer. */
function methodOf({ startLine }: Head): string | undefined {
  return /^\s*SIP\//i.test(startLine) ? undefined : startLine.split(/\s/, 1)[0];
}

function refusal(message: ParsedMessage, why: string): MalformedMessage {
  return new MalformedMessage(400, why, message.kind === 'request' ? message.method : undefined, message.headers);
}
