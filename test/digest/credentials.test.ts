import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { algorithmOf, digestResponse, responseMatches } from '../../src/digest/algorithm.ts';
import { credentialsFor, parseAuthHeader } from '../../src/digest/credentials.ts';
import { quote, SipSyntaxError } from '../../src/sip/syntax.ts';

const FULL =
  'Digest username="bob", realm="biloxi.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="sip:bob@biloxi.com", qop=auth, nc=00000001, cnonce="0a4f113b", response="89eb0059246c02b2f6ee02c7961d5ea3", opaque="5ccc"';

describe('an Authorization header', () => {
  test('may have its parameters in any order, quoted or not', () => {
    const expected = credentialsFor('biloxi.com', parseAuthHeader(FULL));
    expect(expected).toMatchObject({
      username: 'bob',
      opaque: '5ccc',
      qop: { nc: '00000001', count: 1, cnonce: '0a4f113b' },
    });
    const others = [
      'DIGEST  realm=biloxi.com ,username=bob,nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",uri=sip:bob@biloxi.com,response=89eb0059246c02b2f6ee02c7961d5ea3,opaque="5ccc",qop="auth",cnonce="0a4f113b",nc=00000001',
      FULL.replace('username', 'UserName').replaceAll(', ', '\r\n ,\t'),
    ];
    for (const text of others) expect(credentialsFor('biloxi.com', parseAuthHeader(text))).toEqual(expected);
  });

  test('may hold credentials for several schemes and realms', () => {
    const header = `Basic realm=x, Digest realm="other.com", username="a", ${FULL}`;
    expect(parseAuthHeader(header).map((v) => [v.scheme, v.params.get('realm')])).toEqual([
      ['basic', 'x'],
      ['digest', 'other.com'],
      ['digest', 'biloxi.com'],
    ]);
  });

  test('may have commas, equals signs and escapes inside quotes', () => {
    const [value] = parseAuthHeader('Digest username="a, b=\\"c\\\\", realm="r"');
    expect(value?.params.get('username')).toBe('a, b="c\\');
  });

  const incomplete = [
    'username="bob"',
    'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"',
    'nc=00000001',
    'cnonce="0a4f113b"',
  ];
  test.each(incomplete)('without %s is malformed', (part) => {
    expect(credentialsFor('biloxi.com', parseAuthHeader(FULL.replace(`${part}, `, '')))).toBe('malformed');
  });

  test.each(['nc=0000000g', 'nc=1', 'nc=00000000', 'nc=000000001'])('with %s is malformed', (nc) => {
    expect(credentialsFor('biloxi.com', parseAuthHeader(FULL.replace('nc=00000001', nc)))).toBe('malformed');
  });

  test('with qop auth-int, which we do not offer, is malformed', () => {
    expect(credentialsFor('biloxi.com', parseAuthHeader(FULL.replace('qop=auth', 'qop=auth-int')))).toBe('malformed');
  });

  test('raises no error but SipSyntaxError, whatever its text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(fc.constantFrom('Digest ', 'realm', '=', '"', ',', ' ', '\\', 'x', '\r\n ')).map((p) => p.join('')),
        ),
        (text) => {
          try {
            credentialsFor('x', parseAuthHeader(text));
          } catch (error) {
            expect(error).toBeInstanceOf(SipSyntaxError);
          }
        },
      ),
      { numRuns: 5000 },
    );
  });

  test('may hold any text in a quoted string', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (username) => {
        const [value] = parseAuthHeader(`Digest username=${quote(username)}, realm="r"`);
        expect(value?.params.get('username')).toBe(username);
      }),
    );
  });
});

describe('the response', () => {
  const example = {
    username: 'Mufasa',
    realm: 'http-auth@example.org',
    nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
    uri: '/dir/index.html',
    response: '',
    qop: { nc: '00000001', count: 1, cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ' },
  };

  test('matches the example of RFC 7616 3.9.1', () => {
    expect(digestResponse('MD5', example, 'Circle of Life', 'GET')).toBe('8ca523f5e9506fed4657c9700eebdbec');
    expect(digestResponse('SHA-256', example, 'Circle of Life', 'GET')).toBe(
      '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
    );
  });

  test('may be in upper case, and never matches without a password', () => {
    const response = digestResponse('MD5', example, '', 'GET');
    expect(responseMatches('MD5', { ...example, response: response.toUpperCase() }, '', 'GET')).toBe(true);
    expect(responseMatches('MD5', { ...example, response }, undefined, 'GET')).toBe(false);
    expect(responseMatches('MD5', { ...example, response: 'short' }, '', 'GET')).toBe(false);
  });

  test('is MD5 when no algorithm is named, and an unknown algorithm is not supported', () => {
    expect(algorithmOf(example)).toBe('MD5');
    expect(algorithmOf({ ...example, algorithm: 'sha-512-256' })).toBe('SHA-512-256');
    expect(algorithmOf({ ...example, algorithm: 'MD5-sess' })).toBeUndefined();
  });
});
