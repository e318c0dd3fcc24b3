/** What was received is no HTTP/1.1 response, or exceeds a bound. */
export class MalformedResponse extends Error {
  override readonly name = 'MalformedResponse';
}

/** The head of a response to a GET or POST. */
export interface Head {
  readonly status: number;
  /** What ends the body: its length, a last chunk, or the end of the connection (RFC 9112 6.3). */
  readonly framing: number | 'chunked' | 'until close';
  /** Content-Encoding */
  readonly encoding: string | undefined;
  /** Whether the server keeps the connection open (RFC 9112 9.3). */
  readonly keepsOpen: boolean;
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const FIELD_LINE = /^([!#$%&'*+.^_`|~\w-]+):([\t\x20-\x7e\x80-\xff]*)$/;
const CLOSE = /(?:^|,)[\t ]*close[\t ]*(?:,|$)/i;

/**
 * @param text a head without its final line breaks, one character per byte
 * @throws MalformedResponse
 */
export function parseHead(text: string): Head {
  const [statusLine = '', ...lines] = text.split('\r\n');
  const [, minor, digits] = STATUS_LINE.exec(statusLine) ?? [];
  if (digits === undefined) throw new MalformedResponse('no HTTP/1.1 response');
  const status = Number(digits);
  const fields = fieldsOf(lines);
  const framing = framingOf(status, fields);
  const keepsOpen = minor === '1' && framing !== 'until close' && !CLOSE.test(fields.get('connection') ?? '');
  return { status, framing, encoding: fields.get('content-encoding'), keepsOpen };
}

/** Values by name in lower case. Those of one name are joined by commas (RFC 9110 5.3). */
function fieldsOf(lines: readonly string[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of lines) {
    const [, name, value = ''] = FIELD_LINE.exec(line) ?? [];
    if (name === undefined) throw new MalformedResponse('a header field of the response is malformed');
    const key = name.toLowerCase();
    const earlier = fields.get(key);
    fields.set(key, earlier === undefined ? value.trim() : `${earlier}, ${value.trim()}`);
  }
  return fields;
}

function framingOf(status: number, fields: ReadonlyMap<string, string>): Head['framing'] {
  if (status === 101) throw new MalformedResponse('the response switches protocols');
  if (status < 200 || status === 204 || status === 304) return 0;
  const length = fields.get('content-length');
  const coding = fields.get('transfer-encoding');
  if (coding !== undefined) {
    // With a length as well, another reader could see another end (RFC 9112 11.2).
    if (length === undefined && coding.toLowerCase() === 'chunked') return 'chunked';
    throw new MalformedResponse('the transfer coding of the response is not supported');
  }
  if (length === undefined) return 'until close';
  if (!/^\d{1,15}$/.test(length)) throw new MalformedResponse('the Content-Length of the response is malformed');
  return Number(length);
}
