import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { algorithmOf, digestResponse, responseMatches } from '../../src/digest/algorithm.ts';
import { credentialsFor, MalformedCredentials, parseAuthHeader } from '../../src/digest/credentials.ts';
import { quote } from '../../src/sip/syntax.ts';

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

  /** FULL with other parameters; undefined leaves one out. */
  function changed(changes: Record<string, string | undefined>): string {
    const params = parseAuthHeader(FULL)[0]?.params ?? new Map<string, string>();
    const texts = [...params, ...Object.entries(changes).filter(([name]) => !params.has(name))].map(([name, value]) => {
      const text = name in changes ? changes[name] : quote(value ?? '');
      return text === undefined ? '' : `${name}=${text}`;
    });
    return `Digest ${texts.filter((text) => text !== '').join(', ')}`;
  }

  const unanswered = ['username', 'nonce', 'uri', 'response'].flatMap((name) =>
    [undefined, '""', '', '"  "'].map((value) => [name, value] as const),
  );
  test.each(unanswered)('whose %s is %p answers no challenge', (name, value) => {
    const header = changed({ [name]: value });
    expect(credentialsFor('biloxi.com', parseAuthHeader(header))).toBeUndefined();
    expect(credentialsFor('biloxi.com', parseAuthHeader(header.toUpperCase()))).toBeUndefined();
    expect(credentialsFor('biloxi.com', parseAuthHeader(`${header}, ${FULL}`))).toMatchObject({ username: 'bob' });
  });

  const empty = [
    '',
    ' ',
    ',',
    'Digest',
    'Digest ',
    'digest,',
    'Digest ,',
    'Digest realm="biloxi.com"',
    'realm="biloxi.com"',
    '"',
    '=',
    'Digest username="bob", realm="biloxi.com", nonce, uri="sip:x", response="1"',
  ];
  test.each(empty)('of %p answers no challenge', (header) => {
    expect(credentialsFor('biloxi.com', parseAuthHeader(header))).toBeUndefined();
  });

  const otherSchemes = [
    'Bearer abc.def',
    'Bearer abc.def==',
    'Bearer a/b+c~d',
    'Basic dXNlcjpwYXNz',
    'Basic dXNlcjpwYXM=',
    'NTLM',
    'Negotiate YII/abc==',
    'NTLM realm="biloxi.com", qop="auth", opaque="x", gssapi-data="y", response="z"',
    'Bearer "quoted"',
    '%%%',
  ];
  test.each(otherSchemes)('of another scheme, %p, is ignored, before ours and after it', (other) => {
    expect(credentialsFor('biloxi.com', parseAuthHeader(other))).toBeUndefined();
    const expected = credentialsFor('biloxi.com', parseAuthHeader(FULL));
    expect(credentialsFor('biloxi.com', parseAuthHeader(`${other}, ${FULL}`))).toEqual(expected);
    expect(credentialsFor('biloxi.com', parseAuthHeader(`${FULL}, ${other}`))).toMatchObject({ username: 'bob' });
  });

  test('may have any commas, semicolons and white space between its parameters', () => {
    const expected = credentialsFor('biloxi.com', parseAuthHeader(FULL));
    const [, ...params] = FULL.split(/^Digest |, /);
    const separator = fc
      .array(fc.constantFrom(',', ';', ' ', '\t', '\r\n '), { minLength: 1, maxLength: 4 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.array(separator, { minLength: 20, maxLength: 20 }), ([first = '', ...others]) => {
        const text = params.map((param, i) => `${others[i] ?? ''}${param}`).join('');
        for (const header of [`${first}Digest ${text}`, `Digest ${text}${first}`])
          expect(credentialsFor('biloxi.com', parseAuthHeader(header))).toEqual(expected);
      }),
    );
  });

  test('may leave a URI with parameters unquoted', () => {
    const header = 'Digest username=bob;realm=r;uri=sip:r;transport=udp;lr;nonce=n;response=1;';
    expect(credentialsFor('r', parseAuthHeader(header))).toMatchObject({
      username: 'bob',
      uri: 'sip:r;transport=udp;lr',
      nonce: 'n',
      response: '1',
    });
  });

  const MALFORMED = expect.any(MalformedCredentials);

  test.each(['username', 'realm', 'nonce', 'uri', 'response', 'algorithm', 'qop', 'nc', 'cnonce', 'opaque', 'x'])(
    'with %s given twice is malformed',
    (name) => {
      const header = `${FULL}, algorithm=MD5, x=y, ${name.toUpperCase()}="again"`;
      expect(credentialsFor('biloxi.com', parseAuthHeader(header))).toEqual(MALFORMED);
    },
  );

  test.each([`${FULL}, x="`, `${FULL}x`, `${FULL}, "x"`, `${FULL}, @`, `${FULL}, nc="1"2`])(
    'with what is no parameter is malformed: %p',
    (header) => {
      expect(credentialsFor('biloxi.com', parseAuthHeader(header))).toEqual(MALFORMED);
    },
  );

  test.each(['nc', 'cnonce'])('with qop but without %s is malformed', (name) => {
    for (const value of [undefined, '""', ''])
      expect(credentialsFor('biloxi.com', parseAuthHeader(changed({ [name]: value })))).toEqual(MALFORMED);
  });

  test('with a blank qop has none', () => {
    for (const value of ['""', '', '" "'])
      expect(credentialsFor('biloxi.com', parseAuthHeader(changed({ qop: value })))).not.toHaveProperty('qop');
  });

  test.each(['nc=0000000g', 'nc=1', 'nc=00000000', 'nc=000000001'])('with %s is malformed', (nc) => {
    expect(credentialsFor('biloxi.com', parseAuthHeader(FULL.replace('nc=00000001', nc)))).toEqual(MALFORMED);
  });

  test('with qop auth-int, which we do not offer, is malformed', () => {
    expect(credentialsFor('biloxi.com', parseAuthHeader(FULL.replace('qop=auth', 'qop=auth-int')))).toEqual(MALFORMED);
  });

  test('raises no error, whatever its text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc
            .array(fc.constantFrom('Digest ', 'realm', 'nonce', '=', '"', ',', ';', ' ', '\\', 'x', '\r\n '))
            .map((p) => p.join('')),
        ),
        (text) => {
          credentialsFor('x', parseAuthHeader(text));
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
