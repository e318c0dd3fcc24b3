import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { canonicalName } from '../../src/sip/headers.ts';
import { headerValue, MalformedMessage, type ParsedMessage } from '../../src/sip/message.ts';
import { parseMessage } from '../../src/sip/parse-message.ts';
import { serialise } from '../support/drachtio/messages.ts';
import { HOSTILE_MESSAGES } from './hostile.ts';

const parse = (text: string) => parseMessage(Buffer.from(text));
const refusal = (bytes: Buffer | string): MalformedMessage => {
  try {
    parseMessage(Buffer.from(bytes as string));
  } catch (error) {
    if (error instanceof MalformedMessage) return error;
    throw error;
  }
  throw new Error('was accepted');
};
const again = (message: ParsedMessage) => parseMessage(Buffer.from(serialise(message) as string));

/** A message out of lines, which are joined by CRLF. */
const lines = (...all: string[]) => `${all.join('\r\n')}\r\n\r\n`;

const VIA = 'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1';
const FROM = 'From: <sip:a@example.test>;tag=1';
const TO = 'To: <sip:b@example.test>';
const CALL_ID = 'Call-ID: 1@192.0.2.1';
const options = (...extra: string[]) =>
  lines('OPTIONS sip:b@example.test SIP/2.0', VIA, FROM, TO, CALL_ID, 'CSeq: 7 OPTIONS', ...extra);

describe('a plain message', () => {
  test('request', () => {
    const message = parse(options('X-Own: 1', 'Content-Length: 4').concat('body'));
    expect(message).toMatchObject({
      kind: 'request',
      method: 'OPTIONS',
      uri: 'sip:b@example.test',
      callId: '1@192.0.2.1',
      cseq: { number: 7, method: 'OPTIONS' },
      from: '<sip:a@example.test>;tag=1',
    });
    expect(Buffer.from(message.body).toString()).toBe('body');
    expect(message.headers.map((h) => h.name)).toEqual([
      'Via',
      'From',
      'To',
      'Call-ID',
      'CSeq',
      'X-Own',
      'Content-Length',
    ]);
  });

  test('response', () => {
    const message = parse(lines('SIP/2.0 486 Busy Here', VIA, FROM, TO, CALL_ID, 'CSeq: 7 OPTIONS'));
    expect(message).toMatchObject({ kind: 'response', status: 486, reason: 'Busy Here' });
  });

  test('CRLFs before the start line are ignored (RFC 3261 7.5), and so are NULs and blanks', () => {
    for (const filler of ['\r\n\r\n', '\n', '\0\0', ' \t']) expect(parse(`${filler}${options()}`).kind).toBe('request');
  });

  test('names: compact, of any case, unknown', () => {
    expect(['v', 'VIA', 'call-id', 'm', 'www-authenticate', 'x-own', 'CSEQ'].map(canonicalName)).toEqual([
      'Via',
      'Via',
      'Call-ID',
      'Contact',
      'WWW-Authenticate',
      'x-own',
      'CSeq',
    ]);
  });
});

/** After the descriptions of RFC 4475 3.1.1 and 3.3: strange, and in order. */
const VALID: readonly (readonly [section: string, text: string, check: (message: ParsedMessage) => void])[] = [
  [
    '3.1.1.1 a short tortuous message',
    lines(
      'INVITE sip:vivian@chair.example.com;unknownparam SIP/2.0',
      'TO :',
      ' sip:vivian@chair.example.com ;   tag    = 1918181833n',
      'from   : "J Rosen \\\\\\""       <sip:jrosen@example.com>',
      '  ;',
      '  tag = 98asjd8',
      'MaX-fOrWaRdS: 0068',
      'Call-ID: 1.inv-ws@192.0.2.1',
      'Content-Length   : 6',
      'cseq: 0009',
      '  INVITE',
      'Via  : SIP  /   2.0',
      ' /UDP',
      '    192.0.2.2;branch=390skdjuw',
      's :',
      'NewFangledHeader:   newfangled value',
      ' continued newfangled value',
      'UnknownHeaderWithUnusualValue: ;;,,;;,;',
      'Content-Type: application/sdp',
      'Route:',
      ' <sip:services.example.com;lr;unknownwith=value;unknown-no-value>',
      'v:  SIP  / 2.0  / TCP     spindle.example.com   ;',
      '  branch  =   z9hG4bK9ikj8  ,',
      ' SIP  /    2.0   / UDP  192.168.255.111   ; branch=',
      ' z9hG4bK30239',
      'm:"Quoted string \\"\\"" <sip:jrosen@example.com> ; newparam =',
      '      newvalue ;',
      '  secondparam ; q = 0.33',
    ).concat('v=0\r\n\r\n\r\n'),
    (message) => {
      expect(message.cseq).toEqual({ number: 9, method: 'INVITE' });
      expect(message.topVia.host).toBe('192.0.2.2');
      expect(headerValue(message.headers, 'NewFangledHeader')).toBe('newfangled value continued newfangled value');
      expect(headerValue(message.headers, 'Subject')).toBe('');
      expect(message.headers.filter((h) => h.name === 'Via')).toHaveLength(2);
      expect(message.body).toHaveLength(6);
    },
  ],
  [
    '3.1.1.2 every character that may stand somewhere',
    lines(
      "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0",
      "Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~",
      'To: "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:1_unusual.URI~(to-be!sure)&isn\'t+it$/crazy?,/;;*@example.com>',
      "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"работающий\";tag=_token~1'+`*%!-.",
      'Call-ID: intmeth.word%ZK-!.*_+\'@word`~)(><:\\/"][?}{',
      "CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~",
      "extensionHeader-!.%*+_`'~: \ufeff大停電",
    ),
    (message) => {
      expect(message).toMatchObject({ method: "!interesting-Method0123456789_*+`.%indeed'~" });
      expect(headerValue(message.headers, "extensionHeader-!.%*+_`'~")).toContain('大停電');
    },
  ],
  [
    '3.1.1.3 escapes in URIs are left alone',
    lines(
      'INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0',
      VIA,
      'From: <sip:I%20have%20spaces@example.net>;tag=1',
      'To: sip:%75se%72@example.com',
      CALL_ID,
      'CSeq: 234234 INVITE',
    ),
    (message) => expect(message).toMatchObject({ uri: 'sip:sips%3Auser%40example.com@example.net' }),
  ],
  [
    '3.1.1.4 escaped nulls',
    lines(
      'REGISTER sip:example.com SIP/2.0',
      VIA,
      'From: sip:null-%00-null@example.com;tag=1',
      'To: sip:null-%00-null@example.com',
      CALL_ID,
      'CSeq: 14398234 REGISTER',
    ),
    (message) => expect(message.to).toBe('sip:null-%00-null@example.com'),
  ],
  [
    '3.1.1.5 a percent sign in a method is no escape: this is not REGISTER',
    lines('RE%47IST%45R sip:registrar.example.com SIP/2.0', VIA, FROM, TO, CALL_ID, 'CSeq: 29344 RE%47IST%45R'),
    (message) => expect(message).toMatchObject({ method: 'RE%47IST%45R' }),
  ],
  [
    '3.1.1.6 no white space between display name and <',
    options().replace(FROM, 'From: caller<sip:caller@example.com>;tag=323'),
    (message) => expect(message.from).toBe('caller<sip:caller@example.com>;tag=323'),
  ],
  [
    '3.1.1.7 long values',
    options(
      `Contact: <sip:${'amazinglylongcallername'.repeat(10)}@${'x'.repeat(60)}.example.net>`,
      `Unknown-${'Long'.repeat(40)}-Name: ${'unknown-long-value '.repeat(100)}`,
      ...Array.from({ length: 33 }, (_, i) => `v: SIP/2.0/SCTP host${i}.example.com;branch=z9hG4bK${i}`),
    ),
    (message) => expect(message.headers.filter((h) => h.name === 'Via')).toHaveLength(34),
  ],
  [
    '3.1.1.8 octets after the message',
    options('Content-Length: 0').concat('INVITE sip:joe@example.com SIP/2.0\r\n\r\n'),
    (message) => expect(message.body).toHaveLength(0),
  ],
  [
    '3.1.1.9 semicolons in the user part',
    options().replace('sip:b@example.test SIP', 'sip:user;par=u%40example.net@example.com SIP'),
    (message) => expect(message).toMatchObject({ uri: 'sip:user;par=u%40example.net@example.com' }),
  ],
  [
    '3.1.1.10 transports nobody knows',
    options('Via: SIP/2.0/SCTP t2.example.com', 'Via: SIP/2.0/UNKNOWN t4.example.com').replace(
      '2.0/UDP',
      '2.0/UNKNOWN',
    ),
    (message) => expect(message.topVia.protocol).toBe('UNKNOWN'),
  ],
  [
    '3.1.1.12 a reason phrase beyond ASCII',
    lines('SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое', VIA, FROM, TO, CALL_ID, 'CSeq: 35 INVITE'),
    (message) => expect(message).toMatchObject({ reason: '= 2**3 * 5**2 но сто девяносто девять - простое' }),
  ],
  [
    '3.1.1.13 no reason phrase',
    lines('SIP/2.0 100 ', VIA, FROM, TO, CALL_ID, 'CSeq: 35 INVITE'),
    (message) => expect(message).toMatchObject({ status: 100, reason: '' }),
  ],
  [
    '3.1.2.14 spaces within angle brackets, which may be forgiven',
    options().replace(TO, 'To: "Watson, Thomas" < sip:t.watson@example.org >'),
    (message) => expect(message.to).toContain('t.watson'),
  ],
  [
    '3.1.2.9 and 3.1.2.10 more blanks in and after the start line, which may be forgiven',
    options().replace('OPTIONS sip:b@example.test SIP/2.0', 'OPTIONS  sip:b@example.test  SIP/2.0 \t '),
    (message) => expect(message).toMatchObject({ method: 'OPTIONS', uri: 'sip:b@example.test' }),
  ],
  [
    '3.1.2.15 a comma in an unquoted display name, which may be forgiven',
    options().replace(FROM, 'From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43'),
    (message) => expect(message.from).toBe('Bell, Alexander <sip:a.g.bell@example.com>;tag=43'),
  ],
  [
    'a Request-URI that is no business of the parser',
    options().replace('sip:b@example.test SIP', 'sip:jos\xe9#1@my_host:99999;x=a|b;token=abc== SIP'),
    (message) => expect(message).toMatchObject({ uri: 'sip:jos\xe9#1@my_host:99999;x=a|b;token=abc==' }),
  ],
  [
    'the highest CSeq (RFC 3261 8.1.1.5)',
    options().replace('CSeq: 7 ', 'CSeq: 2147483647 '),
    (message) => expect(message.cseq.number).toBe(2 ** 31 - 1),
  ],
  [
    'what stands but once, repeated with the same value',
    options('Expires: 60', 'Expires: 60', 'Content-Length: 0', 'l: 0', FROM, TO, CALL_ID, 'CSeq: 7 OPTIONS'),
    (message) => expect(message.from).toBe('<sip:a@example.test>;tag=1'),
  ],
  [
    'two expiries in a response, of which the first counts',
    lines('SIP/2.0 200 OK', VIA, FROM, TO, CALL_ID, 'CSeq: 7 REGISTER', 'Expires: 60', 'Expires: 61', ''),
    (message) => expect(headerValue(message.headers, 'Expires')).toBe('60'),
  ],
  [
    '3.3.2 and 3.3.3 a Request-URI of another scheme',
    options().replace('sip:b@example.test SIP', 'soap.beep://192.0.2.103:3002 SIP'),
    (message) => expect(message).toMatchObject({ uri: 'soap.beep://192.0.2.103:3002' }),
  ],
  [
    '3.3.4 other schemes in From and To',
    options().replace(TO, 'To: isbn:2983792873').replace(FROM, 'From: <http://www.example.com>;tag=1'),
    (message) => expect(message.to).toBe('isbn:2983792873'),
  ],
  [
    '3.4.1 a request of RFC 2543: no branch, no tag, no Max-Forwards',
    lines(
      'INVITE sip:b@example.test SIP/2.0',
      'Via: SIP/2.0/UDP h',
      'From: <sip:a@b.test>',
      TO,
      CALL_ID,
      'CSeq: 1 INVITE',
    ),
    (message) => expect(message.topVia.params).toEqual([]),
  ],
];

/** After the descriptions of RFC 4475 3.1.2 and 3.3, and what else must not pass. */
const INVALID: readonly (readonly [section: string, text: string | Buffer, why: string, status?: number])[] = [
  [
    '3.1.2.1 separators without anything between',
    options().replace(VIA, 'Via: SIP/2.0/UDP 192.0.2.15;;,;,,'),
    'Malformed Via',
  ],
  [
    '3.1.2.2 Content-Length beyond the datagram',
    options('Content-Length: 9999').concat('v=0'),
    'Content-Length Exceeds Message',
  ],
  ['3.1.2.3 negative Content-Length', options('Content-Length: -999'), 'Malformed Content-Length'],
  ['3.1.2.4 CSeq out of range', options().replace('CSeq: 7 ', 'CSeq: 36893488147419103232 '), 'Malformed CSeq'],
  ['3.1.2.4 CSeq of 2**31', options().replace('CSeq: 7 ', 'CSeq: 2147483648 '), 'Malformed CSeq'],
  ['3.1.2.4 Max-Forwards out of range', options('Max-Forwards: 300'), 'Malformed Max-Forwards'],
  [
    '3.1.2.6 quoted string without an end',
    options().replace(TO, 'To: "Mr. J. User <sip:j.user@example.com>'),
    'Malformed To',
  ],
  [
    '3.1.2.7 angle brackets around the Request-URI',
    options().replace('sip:b@example.test SIP', '<sip:b@example.test> SIP'),
    'Malformed Start Line',
  ],
  [
    '3.1.2.8 white space in the Request-URI',
    options().replace('sip:b@example.test SIP', 'sip:b@example.test; lr SIP'),
    'Malformed Start Line',
  ],
  [
    '3.1.2.11 headers in the Request-URI',
    options().replace('sip:b@example.test SIP', 'sip:b@example.test?Route=%3Csip:x.test%3E SIP'),
    'Malformed Request-URI',
  ],
  [
    '3.1.2.16 another version',
    options().replace('SIP/2.0', 'SIP/7.0').replace('SIP/2.0/UDP', 'SIP/7.0/UDP'),
    'Version Not Supported',
    505,
  ],
  ['3.1.2.17 CSeq of another method', options().replace('7 OPTIONS', '7 INVITE'), 'CSeq Method Mismatch'],
  [
    '3.1.2.18 the same with an unknown method',
    options().replace('OPTIONS sip', 'NEWMETHOD sip'),
    'CSeq Method Mismatch',
  ],
  [
    '3.1.2.19 status code out of range',
    lines('SIP/2.0 4294967301 better not break the receiver', VIA, FROM, TO, CALL_ID, 'CSeq: 7 OPTIONS'),
    'Malformed Start Line',
  ],
  ['3.3.1 no Call-ID', options().replace(`${CALL_ID}\r\n`, ''), 'Missing Call-ID'],
  ['3.3.1 no From', options().replace(`${FROM}\r\n`, ''), 'Missing From'],
  ['3.3.1 no To', options().replace(`${TO}\r\n`, ''), 'Missing To'],
  ['3.3.1 no CSeq', options().replace('CSeq: 7 OPTIONS\r\n', ''), 'Missing CSeq'],
  ['3.3.1 no Via', options().replace(`${VIA}\r\n`, ''), 'Missing Via'],
  ['3.3.8 two Call-IDs', options('i: 2@192.0.2.1'), 'Multiple Call-ID'],
  ['3.3.8 two CSeqs', options('CSeq: 8 OPTIONS'), 'Multiple CSeq'],
  ['3.3.8 two Froms', options('f: sip:c@example.test'), 'Multiple From'],
  ['3.3.8 two Tos', options('t: sip:c@example.test'), 'Multiple To'],
  ['3.3.8 two Max-Forwards', options('Max-Forwards: 70', 'Max-Forwards: 5'), 'Multiple Max-Forwards'],
  ['two Expires', options('Expires: 60', 'Expires: 61'), 'Multiple Expires'],
  ['3.3.9 two Content-Lengths', options('Content-Length: 0', 'l: 5'), 'Multiple Content-Length'],
  ['no blank line', options().slice(0, -2), 'Missing Blank Line'],
  ['a header without a colon', options('What is this'), 'Malformed Header Line'],
  ['a header without a name', options(': value'), 'Malformed Header Line'],
  ['a header name that is no token', options('X Own: value'), 'Malformed Header Line'],
  [
    'an escape in a header name is no escape',
    options('%43ontact: <sip:x@y>').replace(VIA, '%56ia: SIP/2.0/UDP h'),
    'Missing Via',
  ],
  ['LF alone at the end of a line', options('X-Own: 1\nX-Other: 2'), 'Bare CR or LF in Header'],
  ['CR alone', options('X-Own: 1\rX-Other: 2'), 'Bare CR or LF in Header'],
  ['LF alone in the start line', options().replace(' SIP/2.0', ' SIP/2.0\nX: 1'), 'Malformed Start Line'],
  ['NUL', options('X-Own: a\0b'), 'Control Character in Header'],
  ['a header over 8 KiB', options(`X-Own: ${'x'.repeat(8192)}`), 'Header Too Long'],
  ['over 100 headers', options(...Array.from({ length: 96 }, (_, i) => `X-Own: ${i}`)), 'Too Many Headers'],
  [
    'a Request-URI of nothing but a scheme',
    options().replace('sip:b@example.test SIP', 'sip: SIP'),
    'Malformed Request-URI',
  ],
  [
    'a Request-URI without a scheme',
    options().replace('sip:b@example.test SIP', 'b@example.test SIP'),
    'Malformed Request-URI',
  ],
  ['a Call-ID with white space', options().replace(CALL_ID, 'Call-ID: 1 2'), 'Malformed Call-ID'],
  ['nothing', '', 'Malformed Start Line'],
];

describe('RFC 4475: accepted', () => {
  test.each(VALID)('%s', (_section, text, check) => {
    const message = parse(text);
    check(message);
    check(again(message));
  });
});

describe('RFC 4475: refused', () => {
  test.each(INVALID)('%s', (_section, text, why, status = 400) => {
    expect(refusal(text as string)).toMatchObject({ status, message: why });
  });

  test('a refusal carries the headers that an answer needs', () => {
    const { method, headers } = refusal(options('Content-Length: -1', 'X Own: 1'));
    expect(method).toBe('OPTIONS');
    for (const name of ['Via', 'From', 'To', 'Call-ID', 'CSeq']) expect(headerValue(headers, name)).toBeDefined();
  });

  test('a malformed response is told from a malformed request', () => {
    expect(refusal(lines('SIP/2.0 99 What', VIA, FROM, TO, CALL_ID, 'CSeq: 1 OPTIONS')).method).toBeUndefined();
    expect(refusal(lines('OPT"IONS sip:x SIP/2.0', VIA, FROM, TO, CALL_ID, 'CSeq: 1 OPTIONS')).method).toBe('OPT"IONS');
  });
});

describe('a head that is not UTF-8', () => {
  const parseLatin1 = (text: string) => parseMessage(Buffer.from(text, 'latin1'));

  test('is read as Windows-1252, line by line, and keeps the octets of those lines', () => {
    const utf8 = Buffer.from('Zoë').toString('latin1');
    const { headers, from } = parseLatin1(
      options('User-Agent: T\xe9l\x80\xa0', `X-Own: ${utf8}`).replace(FROM, 'From: Jos\xe9 <sip:a@b.test>;tag=1'),
    );
    expect(from).toBe('José <sip:a@b.test>;tag=1');
    expect(headers).toContainEqual({ name: 'User-Agent', value: 'Tél€\xa0', octets: 'T\xe9l\x80\xa0' });
    expect(headers).toContainEqual({ name: 'X-Own', value: 'Zoë' });
    expect(headers).toContainEqual({ name: 'From', value: from, octets: 'Jos\xe9 <sip:a@b.test>;tag=1' });
  });

  test('nothing of it is malformed text or a control character, whatever its bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const octets = Buffer.from(bytes.map((byte) => (byte < 0x20 || byte === 0x7f ? byte | 0x80 : byte)));
        const head = Buffer.from(options()).subarray(0, -2);
        const rest = Buffer.concat([Buffer.from('X-Own: .'), octets, Buffer.from('.\xff\r\n\r\n', 'latin1')]);
        const { headers } = parseMessage(Buffer.concat([head, rest]));
        const own = headers.at(-1);
        expect(own?.octets).toBe(rest.subarray(7, -4).toString('latin1'));
        expect(own?.value.isWellFormed()).toBe(true);
        expect(own?.value).not.toMatch(/\p{Cc}/u);
      }),
    );
  });
});

describe('whatever comes', () => {
  const SEEDS = [...VALID.map(([, text]) => text), ...INVALID.map(([, text]) => text.toString('latin1'))];
  /** One place of a message overwritten, taken out, repeated or filled with something nasty. */
  const mutated = fc
    .tuple(
      fc.constantFrom(...SEEDS),
      fc.array(
        fc.tuple(
          fc.nat(2000),
          fc.nat(20),
          fc.oneof(
            fc.constantFrom(
              '',
              '\r\n',
              '\n',
              '\r',
              '\0',
              '"',
              '\\',
              '<',
              '>',
              ';',
              ',',
              ':',
              ' ',
              '\t',
              '%',
              '\xff',
              '[',
            ),
            fc.constantFrom(
              ';tag=',
              'Via: ',
              'Content-Length: 5\r\n',
              '\r\n\r\n',
              ' \r\n ',
              '"'.repeat(50),
              ';a=b'.repeat(40),
            ),
            fc.string({ maxLength: 30 }),
          ),
        ),
        { minLength: 1, maxLength: 6 },
      ),
    )
    .map(([seed, cuts]) =>
      cuts.reduce((text, [at, length, put]) => {
        const from = text.length === 0 ? 0 : at % text.length;
        return text.slice(0, from) + put + text.slice(from + length);
      }, seed),
    );
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
    mutated.map((text) => Buffer.from(text)),
    mutated.map((text) => Buffer.from(text, 'latin1')),
  );

  test('the parser throws nothing but its own error, and what it accepts is stable', () => {
    fc.assert(
      fc.property(anything, (bytes) => {
        let message: ParsedMessage;
        try {
          message = parseMessage(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedMessage);
          const malformed = error as MalformedMessage;
          // These go into an answer as they are.
          for (const { name, value } of malformed.headers) expect(`${name}${value}`).not.toMatch(/[\r\n]/);
          expect(malformed.message).toMatch(/^[\w -]+$/);
          return;
        }
        expect(again(message)).toEqual(message);
      }),
      { numRuns: 3000 },
    );
  });

  test.each(HOSTILE_MESSAGES)('%s: read or refused', (_what, text) => {
    try {
      expect(parse(text).headers.length).toBeGreaterThan(0);
    } catch (error) {
      expect(error).toBeInstanceOf(MalformedMessage);
    }
  });
});
