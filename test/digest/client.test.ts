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

/** The credentials of header lines as the server's side reads and checks them. */
function checked(lines: readonly string[] | undefined, realm = 'carrier.example') {
  const credentials = credentialsFor(realm, (lines ?? []).flatMap(parseAuthHeader));
  if (!credentials || credentials instanceof MalformedCredentials) throw new Error(`unreadable: ${lines}`);
  const algorithm = algorithmNamed(credentials.algorithm);
  if (!algorithm || !responseMatches(algorithm, credentials, PASSWORD, 'REGISTER')) throw new Error(`wrong: ${lines}`);
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
    expect(client.credentials('GET', '/dir/index.html').Authorization?.[0]).toContain(`response="${response}"`);
  });

  test.each([
    [['SHA3-512', 'SHA-512-256-sess', 'MD5-sess', 'SHA-256', 'MD5', 'SHA-512-256'], 'SHA-256'],
    [['MD5', 'SHA-256'], 'MD5'],
  ])('use the topmost of %j that is supported, in one header line or in several', (algorithms, chosen) => {
    const lines = algorithms.map((a, i) => challenge(`, algorithm=${a}`, `n${i}`));
    for (const values of [lines, [lines.join(', ')], [`Basic realm="x", ${lines.join(', ')}`]]) {
      const client = make();
      client.challenged(401, values);
      expect(checked(client.credentials('REGISTER', URI).Authorization).algorithm).toBe(chosen);
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

describe('several realms', () => {
  const lines = [challenge('', 'a', 'one'), challenge(', algorithm=SHA-256', 'b', 'two'), challenge('', 'c', 'two')];

  test.each([[lines], [[lines.join(', ')]]])('of one response get a header line each: %j', (values) => {
    const client = make();
    expect(client.challenged(407, values)).toBe('retry');
    const sent = client.credentials('REGISTER', URI)['Proxy-Authorization'];
    expect(sent).toHaveLength(2);
    expect(checked(sent, 'one')).toMatchObject({ nonce: 'a', algorithm: 'MD5' });
    expect(checked(sent, 'two')).toMatchObject({ nonce: 'b', algorithm: 'SHA-256' });
  });

  test('of one response after another are all answered, the earlier ones too', () => {
    const client = make();
    client.challenged(407, [challenge('', 'a', 'one')]);
    expect(client.challenged(407, [challenge('', 'b', 'two')])).toBe('retry');
    const sent = client.credentials('REGISTER', URI)['Proxy-Authorization'];
    expect([checked(sent, 'one').nonce, checked(sent, 'two').nonce]).toEqual(['a', 'b']);
  });

  test('are answered when one of them cannot be', () => {
    const client = make();
    expect(client.challenged(407, [challenge(', algorithm=SHA3', 'a', 'one'), challenge('', 'b', 'two')])).toBe(
      'retry',
    );
    expect(client.credentials('REGISTER', URI)['Proxy-Authorization']).toHaveLength(1);
  });

  test('beyond four are left out', () => {
    const client = make();
    const many = Array.from({ length: 9 }, (_, i) => challenge('', 'n', `r${i}`));
    client.challenged(401, many.slice(6));
    client.challenged(401, many);
    const sent = client.credentials('REGISTER', URI).Authorization;
    expect(sent?.map((line) => /realm="(\w+)"/.exec(line)?.[1])).toEqual(['r0', 'r1', 'r2', 'r3']);
  });

  test('of the same name, of the registrar and of a proxy, are two', () => {
    const client = make();
    client.challenged(407, [challenge('', 'p')]);
    expect(client.challenged(401, [challenge('', 'n')])).toBe('retry');
    const sent = client.credentials('REGISTER', URI);
    expect([checked(sent['Proxy-Authorization']).nonce, checked(sent.Authorization).nonce]).toEqual(['p', 'n']);
  });

  test('that are challenged no more get no credentials', () => {
    const client = make();
    client.challenged(407, [challenge('', 'p', 'proxy')]);
    client.challenged(401, [challenge('', 'a', 'old')]);
    client.begin();
    client.challenged(401, [challenge('', 'b', 'new')]);
    const sent = client.credentials('REGISTER', URI);
    expect(sent.Authorization).toHaveLength(1);
    expect(checked(sent.Authorization, 'new').nonce).toBe('b');
    expect(checked(sent['Proxy-Authorization'], 'proxy').nonce).toBe('p');
  });
});

describe('a repeated challenge', () => {
  test('is a refusal, after which the credentials are not sent again', () => {
    for (const more of ['', ', stale=true']) {
      const client = make();
      client.challenged(401, [challenge()]);
      client.credentials('REGISTER', URI);
      expect(client.challenged(401, [challenge(more)])).toBe('refused');
      expect(client.credentials('REGISTER', URI)).toEqual({});
    }
  });

  test('of one status leaves the credentials for the other', () => {
    const client = make();
    client.challenged(407, [challenge('', 'p', 'proxy')]);
    client.challenged(401, [challenge()]);
    expect(client.challenged(401, [challenge()])).toBe('refused');
    expect(Object.keys(client.credentials('REGISTER', URI))).toEqual(['Proxy-Authorization']);
  });

  test.each(['', ', stale=true'])('with a new nonce is answered three times (%p)', (more) => {
    const client = make();
    client.challenged(401, [challenge()]);
    for (const nonce of ['n2', 'n3', 'n4']) {
      expect(client.challenged(401, [challenge(more, nonce)])).toBe('retry');
      expect(checked(client.credentials('REGISTER', URI).Authorization).nonce).toBe(nonce);
    }
    expect(client.challenged(401, [challenge(more, 'n5')])).toBe('refused');
  });

  test('with a new realm each time is answered three times', () => {
    const client = make();
    const outcomes = [1, 2, 3, 4, 5].map((i) => client.challenged(401, [challenge('', 'n', `r${i}`)]));
    expect(outcomes).toEqual(['retry', 'retry', 'retry', 'retry', 'refused']);
  });

  test('is not a refusal when it is for the next request', () => {
    const client = make();
    for (const nonce of ['n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n6']) {
      client.begin();
      expect(client.challenged(401, [challenge('', nonce)])).toBe('retry');
      expect(checked(client.credentials('REGISTER', URI).Authorization).nonce).toBe(nonce);
    }
  });

  test('is not answered with a nonce and algorithm that were refused before', () => {
    const client = make();
    client.challenged(401, [challenge('', 'n1')]);
    client.challenged(401, [challenge('', 'n2')]);
    expect(client.challenged(401, [challenge('', 'n1')])).toBe('refused');
  });
});

describe('of several algorithms', () => {
  const offers = (nonce: string, more = '') =>
    ['SHA-512-256', 'SHA3', 'SHA-256', 'MD5'].map((a) => challenge(`, algorithm=${a}${more}`, nonce));
  const algorithmOf = (client: DigestClient) => checked(client.credentials('REGISTER', URI).Authorization).algorithm;

  test.each([
    ['the same nonce', ['n', 'n', 'n']],
    ['a new nonce each time', ['n1', 'n2', 'n3']],
  ])('the next one is tried when one is refused with %s', (_, nonces) => {
    const client = make();
    const chosen = nonces.map((nonce) => {
      expect(client.challenged(401, offers(nonce))).toBe('retry');
      return algorithmOf(client);
    });
    expect(chosen).toEqual(['SHA-512-256', 'SHA-256', 'MD5']);
  });

  test('none is tried twice with one nonce', () => {
    const client = make();
    for (let i = 0; i < 3; i++) client.challenged(401, offers('n'));
    expect(client.challenged(401, offers('n'))).toBe('refused');
  });

  test('the first refused is tried again first with a new nonce', () => {
    const client = make();
    for (const nonce of ['n1', 'n2', 'n3', 'n4']) client.challenged(401, offers(nonce).slice(2));
    expect(algorithmOf(client)).toBe('MD5');
    const again = make();
    for (const nonce of ['n1', 'n2', 'n3']) again.challenged(401, offers(nonce).slice(2));
    expect(algorithmOf(again)).toBe('SHA-256');
  });

  test('the one with a stale nonce is kept', () => {
    const client = make();
    client.challenged(401, offers('n1'));
    expect(client.challenged(401, offers('n2', ', stale=true'))).toBe('retry');
    expect(algorithmOf(client)).toBe('SHA-512-256');
  });

  test('the one that was not refused is kept for the next request', () => {
    const client = make();
    client.challenged(401, offers('n1'));
    client.challenged(401, offers('n1'));
    client.begin();
    client.challenged(401, offers('n2'));
    expect(algorithmOf(client)).toBe('SHA-256');
  });

  test('the next one is tried after a 403', () => {
    const client = make();
    client.challenged(401, offers('n'));
    const chosen = [algorithmOf(client)];
    while (client.forbidden() === 'retry') chosen.push(algorithmOf(client));
    expect(chosen).toEqual(['SHA-512-256', 'SHA-256', 'MD5']);
    expect(client.credentials('REGISTER', URI)).toEqual({});
  });

  test('the next one after a 403 is that of the last challenge', () => {
    const client = make();
    client.challenged(401, offers('n1'));
    client.challenged(401, offers('n2', ', stale=true'));
    expect(client.forbidden()).toBe('retry');
    expect(checked(client.credentials('REGISTER', URI).Authorization)).toMatchObject({
      nonce: 'n2',
      algorithm: 'SHA-256',
    });
  });

  test('none is tried after a 403 to credentials of an earlier request', () => {
    const client = make();
    client.challenged(401, offers('n'));
    client.begin();
    expect(client.forbidden()).toBe('refused');
    expect(algorithmOf(client)).toBe('SHA-512-256');
  });
});

test('credentials are one line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (realm, nonce) => {
      const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;
      const client = make();
      client.challenged(401, [`Digest realm=${quoted(realm)}, nonce=${quoted(nonce)}`]);
      for (const line of client.credentials('REGISTER', URI).Authorization ?? []) expect(line).not.toMatch(/\p{Cc}/u);
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
