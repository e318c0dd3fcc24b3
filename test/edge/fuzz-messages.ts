import fc from 'fast-check';

/** Parts of messages as the grammar allows them, usual and unusual ones (RFC 3261 25, RFC 4475). */
const method = fc.constantFrom(
  'REGISTER',
  'OPTIONS',
  'REGISTER',
  'OPTIONS',
  'INVITE',
  'ACK',
  'CANCEL',
  'BYE',
  'x-My.m%th~d',
);
const host = fc.constantFrom('sidecar.test', '192.0.2.1', '[2001:db8::1]', 'a-b.c_d.test', 'localhost');
const user = fc.constantFrom('', 'demo@', 'a%20b;x=y@', '+1-234;phone-context=a.test@', "!*'()&=+$,;?/@", 'u:p@');
const uriParameters = fc.constantFrom('', ';transport=tcp', ';lr', ';maddr=192.0.2.1;ttl=1', ';a%41=b');
const uri = fc
  .tuple(fc.constantFrom('sip', 'sips', 'SIP'), user, host, fc.constantFrom('', ':5060', ':1'), uriParameters)
  .map(([scheme, ...rest]) => `${scheme}:${rest.join('')}`);
const otherUri = fc.constantFrom('tel:+1234', 'urn:service:sos', 'http://a.test/?b#c');
const displayName = fc.constantFrom('', 'Demo ', '"D. \\"Emo\\", <x>" ', '"" ', 'zwölf ', '"\\\u0001" ');
const tag = fc.constantFrom('', ';tag=1', ';tag=a-b.c', ';tag=1;x="y;z"', ' ; tag = 1');
const address = fc
  .tuple(displayName, fc.oneof({ weight: 5, arbitrary: uri }, otherUri), tag)
  .map(([name, of, parameters]) => `${name}<${of}>${parameters}`);
const via = fc
  .tuple(
    fc.constantFrom('SIP/2.0/UDP', 'SIP/2.0/TCP', 'SIP / 2.0 / WS', 'SIP/2.0/x-y'),
    host,
    fc.constantFrom('', ':5060', ' : 5070'),
    fc.constantFrom('', ';rport', ';rport;received=1.2.3.4', ';ttl=1', ';x="a;b"', ' ; rport = 9'),
    fc.oneof(
      fc.uuid().map((id) => `z9hG4bK${id}`),
      fc.constantFrom('1', 'z9hG4bK'),
    ),
  )
  .map(([protocol, sentBy, port, parameters, branch]) => `${protocol} ${sentBy}${port}${parameters};branch=${branch}`);
const name = (long: string, short: string) => fc.constantFrom(long, short, long.toLowerCase(), long.toUpperCase());
const header = (long: string, short: string, value: fc.Arbitrary<string>) =>
  fc
    .tuple(name(long, short), fc.constantFrom(': ', ':', ' : ', ':\r\n '), value)
    .map(([written, colon, text]) => `${written}${colon}${text}`);
const other = fc.oneof(
  header(
    'Contact',
    'm',
    fc.oneof(
      address,
      fc.constant('*'),
      fc.array(address, { maxLength: 5 }).map((all) => all.join()),
    ),
  ),
  header('Max-Forwards', 'Max-Forwards', fc.constantFrom('70', '0', '255', '256')),
  header('Expires', 'expires', fc.constantFrom('0', '3600', '4294967296')),
  header('Require', 'Require', fc.constantFrom('', 'path', 'a, b')),
  header('Authorization', 'Authorization', fc.constant('Digest username="a", realm="b, c", nonce=" ", response="\\""')),
  header(
    'Route',
    'Route',
    fc.array(address, { minLength: 1, maxLength: 30 }).map((all) => all.join(', ')),
  ),
  header(
    'X-Any',
    'x-any',
    fc.string({ unit: 'grapheme', maxLength: 60 }).map((text) => text.replace(/[\r\n]/g, '')),
  ),
  header('Subject', 's', fc.constantFrom('', '\r\n folded\r\n\tagain', 'x'.repeat(9000))),
);

/** Messages most of which are sound. */
export const sipMessage: fc.Arbitrary<string> = fc
  .record({
    method,
    uri: fc.oneof({ weight: 8, arbitrary: uri }, otherUri),
    /** Of a response; null for a request, as most are. */
    status: fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, fc.integer({ min: 100, max: 699 })),
    vias: fc.array(header('Via', 'v', via), { minLength: 1, maxLength: 4 }),
    from: header('From', 'f', address),
    to: header('To', 't', address),
    callId: header('Call-ID', 'i', fc.uuid()),
    cseq: fc.nat({ max: 2 ** 31 - 1 }),
    others: fc.array(other, { maxLength: 6 }),
    body: fc.constantFrom('', '', 'v=0\r\n', 'zwölf\r\n\r\nOPTIONS sip:a SIP/2.0\r\n'),
  })
  .map(({ method, uri, status, vias, from, to, callId, cseq, others, body }) => {
    const start = status === null ? `${method} ${uri} SIP/2.0` : `SIP/2.0 ${status} What Ever`;
    const length = `Content-Length: ${Buffer.byteLength(body)}`;
    const lines = [start, ...vias, from, to, callId, `CSeq: ${cseq} ${method}`, ...others, length];
    return `${lines.join('\r\n')}\r\n\r\n${body}`;
  });

/** What parsers stumble over. */
const POISON = [
  '\r\n',
  '\r',
  '\n',
  '\r\n\r\n',
  '\0',
  '"',
  '\\',
  '<',
  '>',
  ';',
  ',',
  ':',
  '=',
  '@',
  '%',
  '%0',
  '%00',
  '[',
  ']',
  '?',
  '|',
  ' ',
  '\t',
  '\u00e4',
  '\ud7ff',
  '\u2028',
  'SIP/2.0',
  'SIP/3.0',
  'Content-Length: 99999\r\n',
  'l: 5\r\n',
  'Via: \r\n',
  '-1',
  '0',
  '4294967296',
  '9'.repeat(400),
  'a'.repeat(3000),
  ';x'.repeat(200),
  'X: y\r\n'.repeat(150),
  '('.repeat(500),
];

interface Change {
  readonly kind: 'insert' | 'replace' | 'delete' | 'double' | 'flip' | 'truncate' | 'swap';
  /** Where, and how much, as fractions of the length. */
  readonly at: number;
  readonly size: number;
  readonly poison: string;
}

const fraction = fc.nat(999).map((n) => n / 1000);
const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom('insert', 'insert', 'replace', 'delete', 'double', 'flip', 'flip', 'truncate', 'swap'),
  at: fraction,
  size: fraction.map((n) => n ** 4),
  poison: fc.constantFrom(...POISON),
});

/** Bytes that were a message before some changes; a few of them still are. */
export const spoiltMessage: fc.Arbitrary<Buffer> = fc
  .tuple(sipMessage, fc.array(change, { maxLength: 6 }))
  .map(([text, changes]) => changes.reduce(apply, Buffer.from(text)));

const MAX_VALUE_LENGTH = 200;

/** The lines of a message as short headers, sound or not: their names and values may hold anything but CRLF. */
export function headersIn(message: Buffer): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of message.toString().split('\r\n').slice(1)) {
    const [name = '', ...value] = line.split(':');
    if (line !== '') headers[name.trim()] = value.join(':').trim().slice(0, MAX_VALUE_LENGTH);
  }
  return headers;
}

function apply(bytes: Buffer, { kind, at, size, poison }: Change): Buffer {
  const from = Math.floor(at * bytes.length);
  const to = Math.min(bytes.length, from + 1 + Math.floor(size * bytes.length));
  const [before, middle, after] = [bytes.subarray(0, from), bytes.subarray(from, to), bytes.subarray(to)];
  switch (kind) {
    case 'insert':
      return Buffer.concat([before, Buffer.from(poison), middle, after]);
    case 'replace':
      return Buffer.concat([before, Buffer.from(poison), after]);
    case 'delete':
      return Buffer.concat([before, after]);
    case 'double':
      return Buffer.concat([before, middle, middle, after]);
    case 'flip':
      return Buffer.concat([before, middle.map((byte) => byte ^ (1 << Math.floor(at * 8))), after]);
    case 'truncate':
      return Buffer.from(before);
    case 'swap':
      return Buffer.concat([after, middle, before]);
  }
}
