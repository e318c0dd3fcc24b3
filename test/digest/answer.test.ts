import { heapStats } from 'bun:jsc';
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { algorithmNamed, responseMatches } from '../../src/digest/algorithm.ts';
import { DigestAnswers } from '../../src/digest/answer.ts';
import { credentialsFor, parseAuthHeader } from '../../src/digest/credentials.ts';

const URI = 'sip:carrier.example';
const PASSWORD = 'pass "word" \\';

function make() {
  let made = 0;
  return new DigestAnswers('user "1"', PASSWORD, () => `cnonce${++made}`);
}

function challenge(more = '', nonce = 'n1', realm = 'carrier.example') {
  return `Digest realm="${realm}", nonce="${nonce}"${more}`;
}

/** The credentials of a header value as the server's side reads and checks them. */
function checked(value: string | undefined, realm = 'carrier.example') {
  const credentials = credentialsFor(realm, parseAuthHeader(value ?? ''));
  if (!credentials || credentials === 'malformed') throw new Error(`unreadable: ${value}`);
  const algorithm = algorithmNamed(credentials.algorithm);
  if (!algorithm || !responseMatches(algorithm, credentials, PASSWORD, 'REGISTER')) throw new Error(`wrong: ${value}`);
  return credentials;
}

describe('answers to a challenge', () => {
  test('are nothing before there was one', () => {
    expect(make().headers('REGISTER', URI)).toEqual({});
  });

  test('satisfy the server: with qop and without, for each algorithm, opaque echoed', () => {
    for (const algorithm of ['MD5', 'SHA-256', 'SHA-512-256', 'md5', undefined])
      for (const qop of [', qop="auth"', ', qop="auth-int, AUTH"', ', qop=auth', '']) {
        const answers = make();
        const named = algorithm ? `, algorithm=${algorithm}` : '';
        expect(answers.challenged(401, [challenge(`${qop}${named}, opaque="o\\"p"`)])).toBe('answer');
        const credentials = checked(answers.headers('REGISTER', URI).Authorization);
        expect(credentials).toMatchObject({ username: 'user "1"', nonce: 'n1', uri: URI, opaque: 'o"p' });
        expect(credentials.algorithm).toBe(algorithm?.toUpperCase() ?? 'MD5');
        expect(credentials.qop?.nc).toBe(qop ? '00000001' : undefined);
      }
  });

  // RFC 7616 3.9.1 gives these with the cnonce of its example.
  test.each([
    ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
    ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
  ])('are those of RFC 7616 for %s', (algorithm, response) => {
    const cnonce = 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ';
    const answers = new DigestAnswers('Mufasa', 'Circle of Life', () => cnonce);
    const line = `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`;
    answers.challenged(401, [line]);
    expect(answers.headers('GET', '/dir/index.html').Authorization).toContain(`response="${response}"`);
  });

  test('take the strongest algorithm they know, in one line or in several', () => {
    const lines = ['MD5', 'SHA-512-256-sess', 'SHA-256', 'SHA3-512', 'MD5-sess'].map((a, i) =>
      challenge(`, algorithm=${a}`, `n${i}`),
    );
    for (const values of [lines, [lines.join(', ')], [`Basic realm="x", ${lines.join(', ')}`]]) {
      const answers = make();
      answers.challenged(401, values);
      expect(checked(answers.headers('REGISTER', URI).Authorization)).toMatchObject({ nonce: 'n2' });
    }
  });

  test('go into the header that belongs to the status, and both when both are demanded', () => {
    const answers = make();
    expect(answers.challenged(407, [challenge('', 'p', 'proxy')])).toBe('answer');
    expect(Object.keys(answers.headers('REGISTER', URI))).toEqual(['Proxy-Authorization']);
    expect(answers.challenged(401, [challenge()])).toBe('answer');
    const both = answers.headers('REGISTER', URI);
    expect(checked(both.Authorization).nonce).toBe('n1');
    expect(checked(both['Proxy-Authorization'], 'proxy').nonce).toBe('p');
  });

  test('count the uses of a nonce, over requests too, and begin anew with a new one', () => {
    const answers = make();
    answers.challenged(401, [challenge(', qop="auth"')]);
    const count = () => checked(answers.headers('REGISTER', URI).Authorization).qop?.count;
    expect([count(), count()]).toEqual([1, 2]);
    answers.begin();
    expect(count()).toBe(3);
    answers.challenged(401, [challenge(', qop="auth"')]);
    expect(count()).toBe(4);
    answers.begin();
    answers.challenged(401, [challenge(', qop="auth"', 'n2')]);
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
  ])('%j cannot be answered', (values) => {
    const answers = make();
    expect(answers.challenged(401, values)).toBe('unanswerable');
    expect(answers.headers('REGISTER', URI)).toEqual({});
  });

  test('a line that cannot be read does not hide one that can', () => {
    expect(make().challenged(401, ['Digest realm="unfinished', challenge()])).toBe('answer');
  });
});

describe('credentials that were not accepted', () => {
  test('are refused when the same realm challenges again, and not sent again', () => {
    const answers = make();
    answers.challenged(401, [challenge()]);
    answers.headers('REGISTER', URI);
    expect(answers.challenged(401, [challenge('', 'n2')])).toBe('refused');
    expect(answers.headers('REGISTER', URI)).toEqual({});
  });

  test('are made again once when only the nonce was stale', () => {
    const answers = make();
    answers.challenged(401, [challenge()]);
    expect(answers.challenged(401, [challenge(', stale=TRUE', 'n2')])).toBe('answer');
    expect(answers.challenged(401, [challenge(', stale=true', 'n3')])).toBe('refused');
  });

  test('are refused when stale is said of the very nonce that comes again', () => {
    const answers = make();
    answers.challenged(401, [challenge()]);
    expect(answers.challenged(401, [challenge(', stale=true')])).toBe('refused');
  });

  test('of an old nonce are no refusal: the next request is challenged anew', () => {
    const answers = make();
    answers.challenged(401, [challenge()]);
    answers.headers('REGISTER', URI);
    answers.begin();
    expect(checked(answers.headers('REGISTER', URI).Authorization).nonce).toBe('n1');
    expect(answers.challenged(401, [challenge('', 'n2')])).toBe('answer');
    expect(answers.challenged(401, [challenge('', 'n3')])).toBe('refused');
  });
});

test('whatever a challenge holds, the answer is one line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (realm, nonce) => {
      const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;
      const answers = make();
      answers.challenged(401, [`Digest realm=${quoted(realm)}, nonce=${quoted(nonce)}`]);
      expect(answers.headers('REGISTER', URI).Authorization ?? '').not.toMatch(/\p{Cc}/u);
    }),
    { numRuns: 2000 },
  );
});

test('a held challenge does not keep the message that it came in', () => {
  const held: DigestAnswers[] = [];
  const size = () => {
    Bun.gc(true);
    return heapStats().heapSize;
  };
  const rest = 'x'.repeat(100_000);
  const before = size();
  for (let i = 0; i < 200; i++) {
    const answers = make();
    const message = Buffer.from(`${challenge('', `nonce-that-is-a-little-longer-${i}`)}\r\n${rest}`).toString();
    expect(answers.challenged(401, [message.slice(0, message.indexOf('\r\n'))])).toBe('answer');
    held.push(answers);
  }
  expect(size() - before).toBeLessThan((held.length * rest.length) / 10);
});
