import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseNameAddr, parseNameAddrs } from '../../src/sip/name-addr.ts';
import { SipSyntaxError } from '../../src/sip/syntax.ts';
import { canonicalUri, formatUri, isSipUri, parseUri, readUri, unescapeUser } from '../../src/sip/uri.ts';
import { HOSTILE_NAME_ADDRS } from './hostile.ts';

describe('a SIP URI', () => {
  test('is read with all its parts', () => {
    expect(parseUri('SIPS:alice:secret@Example.COM:5061;transport=TCP;lr?subject=x&priority=y')).toEqual({
      scheme: 'sips',
      user: 'alice',
      password: 'secret',
      host: 'example.com',
      hostKind: 'name',
      port: 5061,
      params: [{ name: 'transport', value: 'TCP' }, { name: 'lr' }],
      headers: 'subject=x&priority=y',
    });
  });

  test.each([
    ['sip:192.0.2.1', 'ipv4'],
    ['sip:a@[2001:db8::1]:5060', 'ipv6'],
    ['sip:a@sbc_1.example.com.', 'name'],
    ['sip:+1-212-555;isub=2@gateway.com', 'name'],
    ['sip:a@df7jal23ls0d.invalid;transport=ws;ob', 'name'],
    ['sip:;/?:@example.com', undefined],
    ['sip:%61lice@example.com', 'name'],
  ])('%s has the host kind %p', (text, kind) => {
    if (kind) expect(parseUri(text).hostKind).toBe(kind as 'name');
    else expect(parseUri(text)).toMatchObject({ user: ';/?', password: '' });
  });

  test.each([
    ...['', 'sip:', 'tel:+1', 'http://x', 'sip:a@', 'sip:@b.com', 'sip:a@b@c.com', 'sip:a b@c.com', 'sip:a@b.com:0'],
    ...['sip:a@b.com:65536', 'sip:a@b.com:x', 'sip:a@1.2.3', 'sip:a@1.2.3.4.5', 'sip:a@256.1.1.1', 'sip:a@[::g]'],
    ...[
      'sip:a@-b.com',
      'sip:a@b..com',
      'sip:a@b.com;',
      'sip:a@b.com;=x',
      'sip:a%4@b.com',
      'sip:a@b.com?',
      'sip:ü@b.com',
    ],
  ])('%p is none', (text) => {
    expect(() => parseUri(text)).toThrow(SipSyntaxError);
  });

  test('compares as RFC 3261 19.1.4 says, as far as its examples have the same parameters', () => {
    const same = (a: string, b: string) => canonicalUri(a) === canonicalUri(b);
    expect(same('sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtlanTa.CoM;Transport=tcp')).toBe(true);
    expect(same('sip:biloxi.com;transport=tcp;method=REGISTER', 'sip:biloxi.com;method=REGISTER;transport=tcp')).toBe(
      true,
    );
    expect(same('SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP')).toBe(false);
    expect(same('sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060')).toBe(false);
    expect(same('sip:a%3bb@x.com', 'sip:a%3Bb@x.com')).toBe(true);
    expect(same('sip:a%40b@x.com', 'sip:a@x.com')).toBe(false);
  });

  test('reads and writes to the same text', () => {
    const label = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
    const uri = fc.record({
      scheme: fc.constantFrom('sip', 'sips'),
      user: fc.option(fc.stringMatching(/^([A-Za-z0-9\-_.!~*'()&=+$,;?/]|%[0-9A-F]{2}){1,12}$/)),
      host: fc.oneof(
        fc.tuple(label, label).map(([a, b]) => `${a}.${b}`),
        fc.ipV4(),
        fc.ipV6().map((ip) => `[${ip.toLowerCase()}]`),
      ),
      port: fc.option(fc.integer({ min: 1, max: 65535 })),
      params: fc.array(fc.tuple(label, fc.option(fc.stringMatching(/^[A-Za-z0-9.\-:]{1,6}$/))), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(uri, ({ scheme, user, host, port, params }) => {
        const tail = params.map(([n, v]) => (v === null ? `;${n}` : `;${n}=${v}`)).join('');
        const text = `${scheme}:${user === null ? '' : `${user}@`}${host}${port === null ? '' : `:${port}`}${tail}`;
        expect(formatUri(parseUri(text))).toBe(text);
        expect(canonicalUri(canonicalUri(text))).toBe(canonicalUri(text));
        expect(readUri(text)).toEqual(parseUri(text));
      }),
    );
  });

  test('never fails but with its own error', () => {
    const piece = fc.constantFrom('sip:', '@', ':', ';', '=', '?', '[', ']', '%', 'a', '1', '.', ' ', '\0', 'ü', '%41');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(piece, { maxLength: 40 }).map((p) => p.join('')),
        ),
        (text) => {
          for (const parse of [parseUri, readUri, parseNameAddr, (t: string) => parseNameAddrs(t, 5)])
            try {
              parse(text);
            } catch (error) {
              expect(error).toBeInstanceOf(SipSyntaxError);
            }
        },
      ),
      { numRuns: 3000 },
    );
  });
});

test.each(HOSTILE_NAME_ADDRS)('%s: refused', (_what, text) => {
  expect(() => parseNameAddrs(text, 5)).toThrow(SipSyntaxError);
});

describe('a URI that is read beyond the grammar', () => {
  test.each([
    ...['sip:a@3f2a9b1c4d5e', 'sip:a@my_host', 'sip:a@4thfloor', 'sip:a@[fe80::1%eth0]:5060', 'sip:a@1.2.3'],
    ...['sip:a@b.com:0', 'sip:a@b.com:65536', 'sip:#12@b.com', 'sip:josé@b.com', 'sip:a b@b.com', 'sip:a%4@b.com'],
    ...['sip:a@b.com;token=abc==', 'sip:a@b.com;pn-tok=a|b', 'sip:a@b.com;x={y}', 'sip:a@b.com;', 'sip:a@b.com;;x;'],
    ...['sip:@b.com', 'sip:a:p#@b.com', 'sip:a@b.com?', 'sip:a@b.com?x=a|b'],
  ])('%s keeps all its parts', (text) => {
    expect(() => parseUri(text)).toThrow(SipSyntaxError);
    expect(formatUri(readUri(text))).toBe(text);
  });

  test.each(['', 'sip:', 'sip:a@', 'sip:a@b@c', 'sip:a@b:x', 'sip:a@::1', 'tel:+1', 'mailto:a@b.com'])(
    '%p cannot be',
    (text) => expect(() => readUri(text)).toThrow(SipSyntaxError),
  );

  test.each([
    ['sip:%61@My_Host;X=A|B', 'sip:a@my_host;x=a|b', true],
    ['sip:a@4thFloor;b;a=1', 'sip:a@4thfloor;a=1;b', true],
    ['sip:#12@h', 'sip:%2312@h', false],
    ['sip:É@h', 'sip:é@h', false],
    ['sip:%%341@h', 'sip:A@h', false],
    ['sip:a@h:0', 'sip:a@h', false],
    ['tel:+1-2', 'tel:+12', false],
    ['tel:+12', 'tel:+12', true],
    ['sip:a@b@c', 'sip:a@b@C', false],
  ])('%s and %s: equal is %p', (a, b, equal) => expect(canonicalUri(a) === canonicalUri(b)).toBe(equal));

  test('a name is at most 253 characters long (RFC 1035)', () => {
    const host = (length: number) =>
      'a'
        .repeat(60)
        .concat('.')
        .repeat(5)
        .slice(0, length - 1)
        .concat('a');
    expect(readUri(`sip:${host(253)}`).hostKind).toBe('name');
    expect(readUri(`sip:${host(254)}`).hostKind).toBe('other');
  });

  test('has at most 32 parameters; with more it equals only itself', () => {
    expect(readUri(`sip:h${';a'.repeat(32)}`).params).toHaveLength(32);
    expect(() => readUri(`sip:h${';a'.repeat(33)}`)).toThrow('too many');
    expect(canonicalUri(`sip:H${';A'.repeat(33)}`)).toBe(`sip:H${';A'.repeat(33)}`);
  });

  test('has one canonical text, whatever it is', () => {
    const piece = fc.constantFrom(
      'sip:',
      '@',
      ':',
      ';',
      '=',
      '?',
      '[',
      ']',
      '%',
      '%3',
      '%34',
      '41',
      'A',
      '.',
      ' ',
      'É',
    );
    const text = fc.array(piece, { maxLength: 20 }).map((p) => `sip:${p.join('')}`);
    fc.assert(
      fc.property(text, (uri) => expect(canonicalUri(canonicalUri(uri))).toBe(canonicalUri(uri))),
      { numRuns: 5000 },
    );
  });
});

test('a SIP URI is told by its scheme', () => {
  expect(['sip:a', 'SIPS:a@b@c'].every(isSipUri)).toBe(true);
  expect(['tel:+1', 'sipx:a', 'mailto:sip:a@b', ''].some(isSipUri)).toBe(false);
});

test('escapes that encode no UTF-8 decode to nothing', () => {
  expect(unescapeUser('j%C3%B6rg')).toBe('jörg');
  expect(unescapeUser('%ff%fe')).toBeUndefined();
});
