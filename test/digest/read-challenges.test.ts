import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { readChallenges } from '../../src/digest/read-challenges.ts';

const PLAIN = {
  realm: 'carrier.example',
  nonce: 'abc==',
  algorithm: 'MD5',
  qop: true,
  stale: false,
  opaque: 'o',
} as const;

test.each([
  ['by the grammar', 'Digest realm="carrier.example", nonce="abc==", opaque="o", qop="auth", algorithm=MD5'],
  ['stray commas', 'Digest ,realm="carrier.example",,nonce="abc==" , ,opaque="o",qop="auth",'],
  [
    'a parameter twice',
    'Digest realm="carrier.example", realm="other", nonce="abc==", opaque="o", qop="auth", nonce="x"',
  ],
  ['qop without quotes', 'Digest qop=auth,auth-int, realm="carrier.example", nonce="abc==", opaque="o"'],
  [
    'qop without quotes, the other way round',
    'Digest qop=auth-int , AUTH, realm="carrier.example", nonce="abc==", opaque="o"',
  ],
  ['qop without quotes and commas', 'Digest qop=auth,auth-int realm="carrier.example" nonce="abc==" opaque="o"'],
  ['qop separated by a blank', 'Digest qop="auth-int auth", realm="carrier.example", nonce="abc==", opaque="o"'],
  ['no commas', 'Digest realm="carrier.example" nonce="abc==" opaque="o" qop="auth"'],
  ['nothing behind a quote', 'Digest realm="carrier.example"nonce="abc=="opaque="o"qop="auth"'],
  ['semicolons', 'Digest realm="carrier.example"; nonce="abc=="; opaque="o"; qop="auth"'],
  ['blanks around the equals signs', 'Digest realm = "carrier.example", nonce\t= "abc==", opaque =o, qop= "auth"'],
  ['no quotes', 'Digest realm=carrier.example, nonce=abc==, opaque=o, qop=auth'],
  ['no opening quote', 'Digest realm="carrier.example", nonce=abc==", opaque="o", qop="auth"'],
  ['no closing quote at the end', 'Digest realm="carrier.example", opaque="o", qop="auth", nonce="abc=='],
  [
    'quotes around algorithm and stale',
    'digest Realm="carrier.example", NONCE="abc==", opaque="o", qop="auth", algorithm="md5", stale="false"',
  ],
  ['a stray word', 'Digest realm="carrier.example", nonce="abc==", x, opaque="o", qop="auth"'],
  ['a stray quoted string', 'Digest realm="carrier.example", "x", nonce="abc==", opaque="o", qop="auth"'],
  [
    'another scheme before it',
    'Basic realm="x", Digest realm="carrier.example", nonce="abc==", opaque="o", qop="auth"',
  ],
  [
    'a scheme without parameters before it',
    'NTLM, Digest realm="carrier.example", nonce="abc==", opaque="o", qop="auth"',
  ],
  ['a token68 before it', 'Negotiate YII/abc==, Digest realm="carrier.example", nonce="abc==", opaque="o", qop="auth"'],
  [
    'another scheme after it',
    'Digest realm="carrier.example", nonce="abc==", opaque="o", qop=auth, Basic stale=true, algorithm="x"',
  ],
])('a challenge is read with %s', (_, line) => {
  expect(readChallenges([line])).toEqual([PLAIN]);
});

test('several challenges in a line, and in several, keep their order', () => {
  const line = (algorithm: string) => `Digest algorithm=${algorithm} qop=auth nonce="n" realm="r"`;
  const read = readChallenges([
    `${line('SHA-256')}, Bearer realm="r", ${line('MD5-sess')} ${line('MD5')}`,
    line('SHA-512-256'),
  ]);
  expect(read.map((c) => c.algorithm)).toEqual(['SHA-256', 'MD5', 'SHA-512-256']);
});

test.each([
  ['Digest realm="r", nonce="n"', { qop: false }],
  ['Digest realm="r", nonce="n", qop=""', { qop: false }],
  ['Digest realm="r", nonce="n", stale=TRUE', { stale: true }],
  ['Digest realm="r", nonce="n", stale=" true ", algorithm=" md5 "', { stale: true, algorithm: 'MD5' }],
  ['Digest realm="a \\"b\\", c", nonce="n"', { realm: 'a "b", c' }],
  ['Digest realm="", nonce="n"', { realm: '' }],
])('%s is %j', (line, expected) => {
  expect(readChallenges([line])[0]).toMatchObject(expected);
});

test.each([
  'Basic realm="r", nonce="n"',
  'realm="r", nonce="n"',
  'Digest realm="r"',
  'Digest nonce="n"',
  'Digest realm="r", nonce="n", qop="auth-int"',
  'Digest realm="r", nonce="n", qop=auth-conf',
  'Digest realm="r", nonce="n", algorithm=MD5-sess',
  'Digest realm="r\r\n Injected: 1", nonce="n"',
  'Digest realm="r", nonce="n", opaque="\u0085"',
])('%j is no challenge that we can answer', (line) => {
  expect(readChallenges([line])).toEqual([]);
});

test('at most 16 are read, with 24 parameters each', () => {
  expect(readChallenges(Array.from({ length: 40 }, () => 'Digest realm="r", nonce="n"'))).toHaveLength(16);
  const others = Array.from({ length: 23 }, (_, i) => `x${i}=1`).join(',');
  expect(readChallenges([`Digest ${others},realm="r",nonce="n"`])).toEqual([]);
});

test('any text is read without an error', () => {
  const pieces = ['Digest ', 'realm', 'nonce', 'qop', 'auth', '=', '"', ',', ';', ' ', '\\', 'x', '\r\n '];
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.constantFrom(...pieces)).map((p) => p.join('')),
  );
  fc.assert(
    fc.property(text, (line) => {
      readChallenges([line]);
    }),
    { numRuns: 3000 },
  );
});
