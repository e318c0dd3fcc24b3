/**
 * The messages of RFC 4475, after its descriptions: each oddity is there, in other words, and what a registrar answers.
 * REGISTER and OPTIONS are served, for the realm example.com.
 */
export interface TortureMessage {
  readonly section: string;
  readonly bytes: Buffer;
  /** How the start line of the answer begins after `SIP/2.0 `; undefined: there is none. */
  readonly answer: string | undefined;
}

interface Parts {
  readonly startLine?: string;
  readonly method?: string;
  readonly uri?: string;
  readonly via?: string | null;
  readonly from?: string | null;
  readonly to?: string | null;
  readonly callId?: string | null;
  readonly cseq?: string;
  /** Whole header lines. */
  readonly more?: readonly string[];
  /** undefined: that of the body; null: no header. */
  readonly length?: string | null;
  readonly body?: string | Buffer;
}

let count = 0;

function message(parts: Parts): Buffer {
  const { method = 'OPTIONS', uri = 'sip:user@example.com', body = '', more = [] } = parts;
  const length = parts.length === undefined ? String(Buffer.byteLength(body)) : parts.length;
  const lines = [
    parts.startLine ?? `${method} ${uri} SIP/2.0`,
    line('To', parts.to, 'sip:user@example.com'),
    line('From', parts.from, '<sip:caller@example.net>;tag=1'),
    line('Call-ID', parts.callId, `${++count}.torture@192.0.2.1`),
    line('CSeq', parts.cseq, `${count} ${method}`),
    line('Via', parts.via, `SIP/2.0/UDP host.example.com;branch=z9hG4bKtorture${count}`),
    'Max-Forwards: 70',
    ...more,
    line('Content-Length', length, '0'),
  ];
  const head = `${lines.filter((one) => one !== undefined).join('\r\n')}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.from(body as string)]);
}

function line(name: string, given: string | null | undefined, usual: string): string | undefined {
  return given === null ? undefined : `${name}: ${given ?? usual}`;
}

const lines = (...all: string[]) => Buffer.from(`${all.join('\r\n')}\r\n\r\n`);

const NOT_SERVED = '405 Method Not Allowed';
const ROUTE = 'Route=%3Csip:proxy.example.com%3E';
const ODD_METHOD = "!interesting-Method0123456789_*+`.%indeed'~";
const REGISTER = { method: 'REGISTER', uri: 'sip:example.com', to: '<sip:user@example.com>' } as const;
const contact = (value: string) => ({ ...REGISTER, more: [`Contact: ${value}`, 'Expires: 60'] });

const ALL: readonly (readonly [section: string, bytes: Buffer, answer: string | undefined])[] = [
  // 3.1.1: valid
  [
    '3.1.1.1 wsinv: folded lines, blanks, empty Subject, unknown headers',
    Buffer.concat([
      lines(
        'INVITE sip:vivian@chair.example.com;unknownparam SIP/2.0',
        'TO :\r\n sip:vivian@chair.example.com ;   tag    = 1918181833n',
        'from   : "J Rosen \\\\\\""       <sip:jrosen@example.com>\r\n  ;\r\n  tag = 98asjd8',
        'MaX-fOrWaRdS: 0068',
        'Call-ID: wsinv.1@192.0.2.1',
        'Content-Length   : 6',
        'cseq: 0009\r\n  INVITE',
        'Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw',
        's :',
        'NewFangledHeader:   newfangled value\r\n continued newfangled value',
        'UnknownHeaderWithUnusualValue: ;;,,;;,;',
        'Content-Type: application/sdp',
        'Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>',
        'v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239',
        'm:"Quoted string \\"\\"" <sip:jrosen@example.com> ; newparam =\r\n      newvalue ;\r\n  secondparam ; q = 0.33',
      ),
      Buffer.from('v=0\r\n\r\n'),
    ]),
    NOT_SERVED,
  ],
  [
    '3.1.1.2 intmeth: every character that may stand somewhere',
    message({
      method: ODD_METHOD,
      uri: "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
      via: "SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~",
      to: '"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:1_unusual.URI~(to-be!sure)&isn\'t+it$/crazy?,/;;*@example.com>',
      from: "token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"работающий\";tag=_token~1'+`*%!-.",
      callId: 'intmeth.word%ZK-!.*_+\'@word`~)(><:\\/"][?}{',
      more: ["extensionHeader-!.%*+_`'~: \ufeff大停電"],
    }),
    NOT_SERVED,
  ],
  [
    '3.1.1.3 esc01: escapes in URIs',
    message({
      method: 'INVITE',
      uri: 'sip:sips%3Auser%40example.com@example.net',
      to: 'sip:%75se%72@example.com',
      from: '<sip:I%20have%20spaces@example.net>;tag=938',
    }),
    NOT_SERVED,
  ],
  [
    '3.1.1.4 escnull: an escaped NUL in the AOR, which we do not accept in one',
    message({ ...REGISTER, to: 'sip:null-%00-null@example.com', more: ['Contact: <sip:%00@host5.example.com>'] }),
    '403 Forbidden',
  ],
  [
    '3.1.1.5 esc02: an escape in a method is none, so this is not REGISTER',
    message({ method: 'RE%47IST%45R', uri: 'sip:registrar.example.com' }),
    NOT_SERVED,
  ],
  ['3.1.1.6 lwsdisp: no blank before <', message({ from: 'caller<sip:caller@example.com>;tag=323' }), '200 OK'],
  [
    '3.1.1.7 longreq: long values',
    message({
      method: 'INVITE',
      uri: `sip:user@${'x'.repeat(60)}.example.net`,
      to: `"I have a user name of ${'extreme '.repeat(10)}proportion" <sip:user@example.com;${'p'.repeat(90)}=q>`,
      callId: `longreq.${'only'.repeat(40)}@example.com`,
      more: [
        `Unknown-${'Long'.repeat(40)}-Name: ${'unknown-long-value '.repeat(20)}`,
        ...Array.from({ length: 33 }, (_, i) => `v: SIP/2.0/TCP host${i}.example.com;branch=z9hG4bK${i}`),
        `Contact: <sip:${'amazinglylongcallername'.repeat(10)}@host5.example.net>`,
      ],
    }),
    NOT_SERVED,
  ],
  [
    '3.1.1.8 dblreq: a second request after the end of the first',
    Buffer.concat([message(contact('<sip:j.user@host.example.com>')), message({ method: 'INVITE' })]),
    '401 Unauthorized',
  ],
  [
    '3.1.1.9 semiuri: semicolons in the user',
    message({ uri: 'sip:user;par=u%40example.net@example.com', to: 'sip:user;par=u%40example.net@example.com' }),
    '200 OK',
  ],
  [
    '3.1.1.10 transports: known ones and others',
    message({
      via: 'SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw',
      more: ['SCTP', 'TLS', 'UNKNOWN', 'TCP'].map(
        (one, i) => `Via: SIP/2.0/${one} t${i}.example.com;branch=z9hG4bK${i}`,
      ),
    }),
    '200 OK',
  ],
  [
    '3.1.1.11 mpart01: a body of several parts, not text',
    message({
      method: 'MESSAGE',
      more: ['Content-Type: multipart/mixed;boundary=7a9cbec02ceef655'],
      body: Buffer.concat([
        Buffer.from('--7a9cbec02ceef655\r\n\r\n'),
        Buffer.from([0, 0xff, 0x0d, 0x0a, 0x0d, 0x0a, 0x80]),
      ]),
    }),
    NOT_SERVED,
  ],
  [
    '3.1.1.12 unreason: a response with a reason beyond ASCII',
    message({ startLine: 'SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять', cseq: '35 INVITE' }),
    undefined,
  ],
  ['3.1.1.13 noreason: a response without one', message({ startLine: 'SIP/2.0 100 ', cseq: '35 INVITE' }), undefined],

  // 3.1.2: invalid
  [
    '3.1.2.1 badinv01: separators with nothing between them',
    message({ method: 'INVITE', via: 'SIP/2.0/UDP 192.0.2.15;;,;,,' }),
    '400 Bad Request - Malformed Via',
  ],
  [
    '3.1.2.2 clerr: Content-Length beyond the datagram',
    message({ method: 'INVITE', length: '9999', body: 'v=0\r\n' }),
    '400 Bad Request - Content-Length Exceeds Message',
  ],
  [
    '3.1.2.3 ncl: a negative one',
    message({ method: 'INVITE', length: '-999', body: 'v=0\r\n' }),
    '400 Bad Request - Malformed Content-Length',
  ],
  [
    '3.1.2.4 scalar02: numbers out of range in a request',
    message({
      ...contact('<sip:user@host.example.com>;expires=280297596632815'),
      cseq: '36893488147419103232 REGISTER',
      more: ['Expires: 10000000000000000000000000000000'],
    }),
    '400 Bad Request - Malformed CSeq',
  ],
  [
    '3.1.2.5 scalarlg: in a response',
    message({
      startLine: 'SIP/2.0 503 Service Unavailable',
      cseq: '9292394834772304023312 OPTIONS',
      more: ['Retry-After: 949302838503028349304023988', 'Warning: 1812 overture "In Progress"'],
    }),
    undefined,
  ],
  [
    '3.1.2.6 quotbal: a quoted string without an end',
    message({ method: 'INVITE', to: '"Mr. J. User <sip:j.user@example.com>' }),
    '400 Bad Request - Malformed To',
  ],
  [
    '3.1.2.7 ltgtruri: angle brackets around the Request-URI',
    message({ method: 'INVITE', uri: '<sip:user@example.com>' }),
    '400 Bad Request - Malformed Start Line',
  ],
  [
    '3.1.2.8 lwsruri: blanks in it',
    message({ method: 'INVITE', uri: 'sip:user@example.com; lr' }),
    '400 Bad Request - Malformed Start Line',
  ],
  [
    '3.1.2.9 lwsstart: several blanks between the parts of the start line, which we forgive',
    message({ startLine: 'INVITE  sip:user@example.com  SIP/2.0', cseq: '1 INVITE' }),
    NOT_SERVED,
  ],
  [
    '3.1.2.10 trws: blanks after them, which we forgive',
    message({ startLine: 'OPTIONS sip:user@example.com SIP/2.0  ' }),
    '200 OK',
  ],
  [
    '3.1.2.11 escruri: headers in the Request-URI',
    message({ method: 'INVITE', uri: `sip:user@example.com?${ROUTE}` }),
    '400 Bad Request - Malformed Request-URI',
  ],
  [
    '3.1.2.12 baddate: a Date that is not GMT, which we do not read',
    message({ method: 'INVITE', more: ['Date: Fri, 01 Jan 2010 16:00:00 EST'] }),
    NOT_SERVED,
  ],
  [
    '3.1.2.13 regbadct: a Contact with URI headers but without angle brackets',
    message(contact(`sip:user@example.com?${ROUTE}`)),
    '400 Bad Request',
  ],
  [
    '3.1.2.14 badaspec: blanks within angle brackets, which we forgive',
    message({ to: '"Watson, Thomas" < sip:t.watson@example.org >' }),
    '200 OK',
  ],
  [
    '3.1.2.15 baddn: a comma in an unquoted name, which we forgive',
    message({ from: 'Bell, Alexander <sip:a.g.bell@example.com>;tag=43' }),
    '200 OK',
  ],
  [
    '3.1.2.16 badvers: another version',
    message({ startLine: 'OPTIONS sip:user@example.com SIP/7.0', via: 'SIP/7.0/UDP c.example.com;branch=z9hG4bKk' }),
    '505 Version Not Supported',
  ],
  [
    '3.1.2.17 mismatch01: CSeq of another method',
    message({ cseq: '8 INVITE' }),
    '400 Bad Request - CSeq Method Mismatch',
  ],
  [
    '3.1.2.18 mismatch02: the same with an unknown method',
    message({ method: 'NEWMETHOD', cseq: '8 INVITE' }),
    '400 Bad Request - CSeq Method Mismatch',
  ],
  [
    '3.1.2.19 bigcode: a status code out of range',
    message({ startLine: 'SIP/2.0 4294967301 better not break the receiver' }),
    undefined,
  ],

  // 3.2 to 3.4: transactions, semantics, RFC 2543
  [
    '3.2.1 badbranch: a branch of nothing but the cookie',
    message({ via: 'SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK' }),
    '200 OK',
  ],
  [
    '3.3.1 insuf: neither Call-ID, From nor To',
    message({ method: 'INVITE', callId: null, from: null, to: null }),
    '400 Bad Request - Missing From',
  ],
  [
    '3.3.2 unkscm: a Request-URI of an unknown scheme',
    message({ uri: 'nobodyKnowsThisScheme:totallyopaquecontent' }),
    '416 Unsupported URI Scheme',
  ],
  ['3.3.3 novelsc: of a known one', message({ uri: 'soap.beep://192.0.2.103:3002' }), '416 Unsupported URI Scheme'],
  [
    '3.3.4 unksm2: unknown schemes in From and To',
    message({ ...REGISTER, to: 'isbn:2983792873', from: '<http://www.example.com>;tag=3234233' }),
    '403 Forbidden',
  ],
  [
    '3.3.5 bext01: extensions that nobody knows',
    message({
      more: ['Require: nothingSupportsThis, nothingSupportsThisEither', 'Proxy-Require: noProxiesSupportThis'],
    }),
    '420 Bad Extension',
  ],
  [
    '3.3.6 invut: a body of an unknown type',
    message({ method: 'INVITE', more: ['Content-Type: application/unknownformat'], body: '<audio/>' }),
    NOT_SERVED,
  ],
  [
    '3.3.7 regaut01: credentials of an unknown scheme',
    message({ ...REGISTER, more: ['Authorization: NoOneKnowsThisScheme opaque-data=here'] }),
    '401 Unauthorized',
  ],
  [
    '3.3.8 multi01: several values of what has one',
    message({
      method: 'INVITE',
      more: ['CSeq: 8 INVITE', 'i: 2@192.0.2.1', 'f: sip:other@example.net', 'Max-Forwards: 5'],
    }),
    '400 Bad Request - Multiple CSeq',
  ],
  [
    '3.3.9 mcl01: two lengths',
    message({ length: '13', body: 'There is no way', more: ['Content-Length: 5'] }),
    '400 Bad Request - Multiple Content-Length',
  ],
  [
    '3.3.10 bcast: a response whose top Via has a broadcast address',
    message({
      startLine: 'SIP/2.0 200 OK',
      via: 'SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923',
      more: ['Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23'],
      cseq: '35 INVITE',
    }),
    undefined,
  ],
  [
    '3.3.11 zeromf: Max-Forwards 0',
    Buffer.from(message({}).toString().replace('Max-Forwards: 70', 'Max-Forwards: 0')),
    '200 OK',
  ],
  [
    '3.3.12 cparam01: an unknown Contact parameter',
    message(contact('sip:+19725552222@gw1.example.net;unknownparam')),
    '401 Unauthorized',
  ],
  [
    '3.3.13 cparam02: an unknown URI parameter in a Contact',
    message(contact('<sip:+19725552222@gw1.example.net;unknownparam>')),
    '401 Unauthorized',
  ],
  [
    '3.3.14 regescrt: escaped headers in the URI of a Contact',
    message(contact(`<sip:user@example.com?${ROUTE}>`)),
    '401 Unauthorized',
  ],
  [
    '3.3.15 sdp01: a body type that is not accepted',
    message({
      method: 'INVITE',
      more: ['Accept: text/nobodyKnowsThis', 'Content-Type: application/sdp'],
      body: 'v=0\r\n',
    }),
    NOT_SERVED,
  ],
  [
    '3.4.1 inv2543: a request of RFC 2543',
    lines(
      'INVITE sip:UserB@example.com SIP/2.0',
      'Via: SIP/2.0/UDP iftgw.example.com',
      'From: <sip:+13035551111@ift.client.example.net;user=phone>',
      'Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>',
      'To: sip:+16505552222@ss1.example.net;user=phone',
      'Call-ID: inv2543.1717@ift.client.example.com',
      'CSeq: 56 INVITE',
    ),
    NOT_SERVED,
  ],
];

export const TORTURE: readonly TortureMessage[] = ALL.map(([section, bytes, answer]) => ({ section, bytes, answer }));
