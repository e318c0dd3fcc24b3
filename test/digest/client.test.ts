import { heapStats } from 'bun:jsc';
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { algorithmNamed, responseMatches } from '../../src/digest/algorithm.ts';
import { DigestClient } from '../../src/digest/client.ts';
import { credentialsFor, MalformedCredentials, parseAuthHeader } from '../../src/digest/credentials.ts';

const URI = 'sip:carrier.example';
const PASSWORD = 'pass "word" \\';

function make() {
  let made = 0;
  return new DigestClient('user "1"', PASSWORD, () => `cnonce${++made}`);
}

function challenge(more = '', nonce = 'n1', realm = 'carrier.example') {
  return `Digest realm="${realm}", nonce="${nonce}"${more}`;
}

/** The credentials of a header value as the server's side reads and checks them. */
function checked(value: string | undefined, realm = 'carrier.example') {
  const credentials = credentialsFor(realm, parseAuthHeader(value ?? ''));
  if (!credentials || credentials instanceof MalformedCredentials) throw new Error(`unreadable: ${value}`);
  const algorithm = algorithmNamed(credentials.algorithm);
  if (!algorithm || !responseMatches(algorithm, credentials, PASSWORD, 'REGISTER')) throw new Error(`wrong: ${value}`);
  return credentials;
}

describe('credentials', () => {
  test('are absent before the first challenge', () => {
    expect(make().credentials('REGISTER', URI)).toEqual({});
  });

  test('satisfy the server with and without qop, for each algorithm, and repeat opaque', () => {
    for (const algorithm of ['MD5', 'SHA-256', 'SHA-512-256', 'md5', undefined])
      for (const qop of [', qop="auth"', ', qop="auth-int, AUTH"', ', qop=auth', '']) {
        const client = make();
        const named = algorithm ? `, algorithm=${algorithm}` : '';
        expect(client.challenged(401, [challenge(`${qop}${named}, opaque="o\\"p"`)])).toBe('retry');
        const credentials = checked(client.credentials('REGISTER', URI).Authorization);
        expect(credentials).toMatchObject({ username: 'user "1"', nonce: 'n1', uri: URI, opaque: 'o"p' });
        expect(credentials.algorithm).toBe(algorithm?.toUpperCase() ?? 'MD5');
        expect(credentials.qop?.nc).toBe(qop ? '00000001' : undefined);
      }
  });

  test.each([
    ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
    ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
  ])('match the example of RFC 7616 3.9.1 for %s', (algorithm, response) => {
    const cnonce = 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ';
    const client = new DigestClient('Mufasa', 'Circle of Life', () => cnonce);
    const line = `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`;
    client.challenged(401, [line]);
    expect(client.credentials('GET', '/dir/index.html').Authorization).toContain(`response="${response}"`);
  });

  test('use the strongest supported algorithm, offered in one header line or in several', () => {
    const lines = ['MD5', 'SHA-512-256-sess', 'SHA-256', 'SHA3-512', 'MD5-sess'].map((a, i) =>
      challenge(`, algorithm=${a}`, `n${i}`),
    );
    for (const values of [lines, [lines.join(', ')], [`Basic realm="x", ${lines.join(', ')}`]]) {
      const client = make();
      client.challenged(401, values);
      expect(checked(client.credentials('REGISTER', URI).Authorization)).toMatchObject({ nonce: 'n2' });
    }
  });

  test('go into Authorization, Proxy-Authorization or both, as challenged', () => {
    const client = make();
    expect(client.challenged(407, [challenge('', 'p', 'proxy')])).toBe('retry');
    expect(Object.keys(client.credentials('REGISTER', URI))).toEqual(['Proxy-Authorization']);
    expect(client.challenged(401, [challenge()])).toBe('retry');
    const both = client.credentials('REGISTER', URI);
    expect(checked(both.Authorization).nonce).toBe('n1');
    expect(checked(both['Proxy-Authorization'], 'proxy').nonce).toBe('p');
  });

  test('count the uses of a nonce across requests, starting again with a new nonce', () => {
    const client = make();
    client.challenged(401, [challenge(', qop="auth"')]);
    const count = () => checked(client.credentials('REGISTER', URI).Authorization).qop?.count;
    expect([count(), count()]).toEqual([1, 2]);
    client.begin();
    expect(count()).toBe(3);
    client.challenged(401, [challenge(', qop="auth"')]);
    expect(count()).toBe(4);
    client.begin();
    client.challenged(401, [challenge(', qop="auth"', 'n2')]);
    expect(count()).toBe(1);
  });

  test.each([
    [[]],
    [['Basic realm="x"']],
    [[challenge(', qop="auth-int"')]],
    [[challenge(', algorithm=MD5-sess')]],
    [[challenge(', algorithm=SHA3')]],
    [['Digest realm="x"']],
    [['Digest nonce="x"']],
    [['Digest realm="unfinished']],
    [['Digest realm="x\r\n Injected: 1", nonce="n"']],
  ])('are not made for %j', (values) => {
    const client = make();
    expect(client.challenged(401, values)).toBe('unsupported');
    expect(client.credentials('REGISTER', URI)).toEqual({});
  });

  test('a malformed header line does not hide a valid one', () => {
    expect(make().challenged(401, ['Digest realm="unfinished', challenge()])).toBe('retry');
  });
});

describe('a repeated challenge', () => {
  test('of the same realm is a refusal, after which the credentials are not sent again', () => {
    const client = make();
    client.challenged(401, [challenge()]);
    client.credentials('REGISTER', URI);
    expect(client.challenged(401, [challenge('', 'n2')])).toBe('refused');
    expect(client.credentials('REGISTER', URI)).toEqual({});
  });

  test('is answered once more when the nonce was stale', () => {
    const client = make();
    client.challenged(401, [challenge()]);
    expect(client.challenged(401, [challenge(', stale=TRUE', 'n2')])).toBe('retry');
    expect(client.challenged(401, [challenge(', stale=true', 'n3')])).toBe('refused');
  });

  test('is a refusal when it is stale but repeats the same nonce', () => {
    const client = make();
    client.challenged(401, [challenge()]);
    expect(client.challenged(401, [challenge(', stale=true')])).toBe('refused');
  });

  test('is not a refusal when it is for the next request', () => {
    const client = make();
    client.challenged(401, [challenge()]);
    client.credentials('REGISTER', URI);
    client.begin();
    expect(checked(client.credentials('REGISTER', URI).Authorization).nonce).toBe('n1');
    expect(client.challenged(401, [challenge('', 'n2')])).toBe('retry');
    expect(client.challenged(401, [challenge('', 'n3')])).toBe('refused');
  });
});

test('credentials are one line whatever the challenge contains', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (realm, nonce) => {
      const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;
      const client = make();
      client.challenged(401, [`Digest realm=${quoted(realm)}, nonce=${quoted(nonce)}`]);
      expect(client.credentials('REGISTER', URI).Authorization ?? '').not.toMatch(/\p{Cc}/u);
    }),
    { numRuns: 2000 },
  );
});

test('a held challenge does not keep the message that it came in', () => {
  const held: DigestClient[] = [];
  const size = () => {
    Bun.gc(true);
    return heapStats().heapSize;
  };
  const rest = 'x'.repeat(100_000);
  const before = size();
  for (let i = 0; i < 200; i++) {
    const client = make();
    const message = Buffer.from(`${challenge('', `nonce-that-is-a-little-longer-${i}`)}\r\n${rest}`).toString();
    expect(client.challenged(401, [message.slice(0, message.indexOf('\r\n'))])).toBe('retry');
    held.push(client);
  }
  expect(size() - before).toBeLessThan((held.length * rest.length) / 10);
});
