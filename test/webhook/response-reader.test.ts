import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { MAX_BODY } from '../../src/webhook/body.ts';
import { MalformedResponse } from '../../src/webhook/response-head.ts';
import { ResponseReader } from '../../src/webhook/response-reader.ts';

const CRLF = '\r\n';
const OK = 'HTTP/1.1 200 OK';

interface Seen {
  readonly status: number;
  readonly body: string | undefined;
  readonly isPersistent: boolean;
  readonly encoding: string | undefined;
}

const head = (...lines: readonly string[]) => [...lines, '', ''].join(CRLF);
const chunk = (text: string) => `${text.length.toString(16)}${CRLF}${text}${CRLF}`;

/** Reads the parts, then the end of the connection. @returns 'malformed', or undefined for no whole response */
function read(...parts: readonly string[]): Seen | 'malformed' | undefined {
  const reader = new ResponseReader();
  try {
    for (const part of parts) {
      const response = reader.read(Buffer.from(part, 'latin1'));
      if (response) return { ...response, body: response.body?.toString('latin1') };
    }
    const response = reader.end();
    return response && { ...response, body: response.body?.toString('latin1') };
  } catch (error) {
    if (error instanceof MalformedResponse) return 'malformed';
    throw error;
  }
}

describe('a response', () => {
  const whole: [string, string, Partial<Seen>][] = [
    ['of a known length', `${head(OK, 'Content-Length: 2')}ok`, { status: 200, body: 'ok', isPersistent: true }],
    ['without a body', head(OK, 'Content-Length: 0'), { body: '', isPersistent: true }],
    ['204', head('HTTP/1.1 204 No Content'), { status: 204, body: '', isPersistent: true }],
    ['304 with the length of another', head('HTTP/1.1 304 ', 'Content-Length: 9'), { body: '', isPersistent: true }],
    ['without a reason phrase', head('HTTP/1.1 204'), { status: 204 }],
    ['with letters beyond ASCII', head('HTTP/1.1 204 caf\xe9', 'X-A: \xe9'), { status: 204 }],
    ['with names in another case', `${head(OK, 'CONTENT-length:2')}ok`, { body: 'ok' }],
    ['with space around values', `${head(OK, 'Content-Length: \t2 \t', 'X-Empty: ')}ok`, { body: 'ok' }],
    ['that is encoded', head(OK, 'Content-Length: 0', 'Content-Encoding: gzip'), { encoding: 'gzip' }],
    [
      'that is encoded twice',
      head(OK, 'Content-Length: 0', 'Content-Encoding: gzip', 'Content-Encoding: br'),
      { encoding: 'gzip, br' },
    ],
    ['that ends with its connection', `${head(OK)}ok`, { body: 'ok', isPersistent: false }],
    ['of HTTP/1.0', `${head('HTTP/1.0 200 OK', 'Content-Length: 2')}ok`, { body: 'ok', isPersistent: false }],
    ['that closes', `${head(OK, 'Content-Length: 2', 'Connection: x , Close')}ok`, { isPersistent: false }],
    ['with bytes after it', `${head(OK, 'Content-Length: 2')}ok!`, { body: 'ok', isPersistent: false }],
    [
      'in chunks',
      `${head(OK, 'Transfer-Encoding: Chunked')}${chunk('o')}1 ;x="y"${CRLF}k${CRLF}0${CRLF}${CRLF}`,
      { body: 'ok', isPersistent: true },
    ],
    [
      'in chunks with a trailer',
      `${head(OK, 'Transfer-Encoding: chunked')}${chunk('ok')}0${CRLF}X-A: b${CRLF}${CRLF}`,
      { body: 'ok', isPersistent: true },
    ],
    [
      'after interim ones',
      `${head('HTTP/1.1 100 Continue')}${head('HTTP/1.1 103 Early Hints', 'Link: </a>')}${head('HTTP/1.1 204 No')}`,
      { status: 204, isPersistent: true },
    ],
  ];
  test.each(whole)('%s is read', (_, text, expected) => {
    expect(read(text)).toMatchObject(expected);
  });

  const partial: [string, string][] = [
    ['its head', head(OK).slice(0, -1)],
    ['its body', `${head(OK, 'Content-Length: 3')}ok`],
    ['the line of a chunk', `${head(OK, 'Transfer-Encoding: chunked')}1`],
    ['a chunk', `${head(OK, 'Transfer-Encoding: chunked')}2${CRLF}o`],
    ['its chunks', `${head(OK, 'Transfer-Encoding: chunked')}${chunk('ok')}`],
    ['its trailer', `${head(OK, 'Transfer-Encoding: chunked')}0${CRLF}`],
    ['an interim one', head('HTTP/1.1 100 Continue')],
  ];
  test.each(partial)('that ends within %s is none', (_, text) => {
    expect(read(text)).toBeUndefined();
  });

  const malformed: [string, string][] = [
    ['another protocol', head('SSH-2.0-OpenSSH')],
    ['HTTP/2.0', head('HTTP/2.0 200 OK')],
    ['a status of two digits', head('HTTP/1.1 20 OK')],
    ['a status above 599', head('HTTP/1.1 600 OK')],
    ['a switch of protocols', head('HTTP/1.1 101 Switching Protocols', 'Upgrade: x')],
    ['a folded line', head(OK, 'X-A: b', ' c', 'Content-Length: 0')],
    ['a space before the colon', head(OK, 'Content-Length : 0')],
    ['no colon', head(OK, 'Content-Length')],
    ['no name', head(OK, ': 0')],
    ['a bare LF', head(OK, 'X-A: b\nContent-Length: 0')],
    ['a bare CR', head(OK, 'X-A: b\rContent-Length: 0')],
    ['a NUL', head(OK, 'X-A: \0')],
    ['two lengths', head(OK, 'Content-Length: 0', 'Content-Length: 0')],
    ['a list of lengths', head(OK, 'Content-Length: 0, 0')],
    ['a length with a sign', head(OK, 'Content-Length: +0')],
    ['a hexadecimal length', head(OK, 'Content-Length: 0x0')],
    ['no length at all', head(OK, 'Content-Length:')],
    ['a length and chunks', head(OK, 'Content-Length: 0', 'Transfer-Encoding: chunked')],
    ['another transfer coding', head(OK, 'Transfer-Encoding: gzip, chunked')],
    ['a chunk of no size', `${head(OK, 'Transfer-Encoding: chunked')}${CRLF}`],
    ['a chunk with a sign', `${head(OK, 'Transfer-Encoding: chunked')}-1${CRLF}`],
    ['a chunk longer than its size', `${head(OK, 'Transfer-Encoding: chunked')}1${CRLF}ok${CRLF}`],
    ['a bare LF after the size of a chunk', `${head(OK, 'Transfer-Encoding: chunked')}1\no${CRLF}`],
    ['a long line of a chunk', `${head(OK, 'Transfer-Encoding: chunked')}1;${'x'.repeat(256)}`],
    ['a head without end', `${OK}${CRLF}X-A: ${'x'.repeat(20_000)}`],
    ['a head of 17 kB', head(OK, ...Array.from({ length: 170 }, () => `X-A: ${'x'.repeat(95)}`))],
    ['interim responses without end', head('HTTP/1.1 100 Continue').repeat(1000)],
    ['a trailer without end', `${head(OK, 'Transfer-Encoding: chunked')}0${CRLF}X: ${'x'.repeat(20_000)}`],
  ];
  test.each(malformed)('with %s is refused', (_, text) => {
    expect(read(text)).toBe('malformed');
  });

  const large = 'x'.repeat(MAX_BODY);
  test('may have a body of 64 KiB', () => {
    expect(read(`${head(OK, `Content-Length: ${MAX_BODY}`)}${large}`)).toMatchObject({ body: large });
    expect(read(`${head(OK)}${large}`)).toMatchObject({ body: large });
    const chunked = `${head(OK, 'Transfer-Encoding: chunked')}${chunk(large.slice(1))}${chunk('x')}${chunk('')}`;
    expect(read(chunked)).toMatchObject({ body: large });
  });

  test('of which a byte more is announced or received has no body, and no further request', () => {
    const tooLong = { status: 200, body: undefined, isPersistent: false };
    expect(read(head(OK, `Content-Length: ${MAX_BODY + 1}`))).toMatchObject(tooLong);
    expect(read(`${head(OK)}${large}`, 'x')).toMatchObject(tooLong);
    expect(read(`${head(OK, 'Transfer-Encoding: chunked')}${chunk(large)}1${CRLF}`)).toMatchObject(tooLong);
    expect(read(`${head(OK, 'Transfer-Encoding: chunked')}ffffffff${CRLF}`)).toMatchObject(tooLong);
  });

  test('is the same however it is split', () => {
    const texts = [...whole, ...partial, ...malformed].map(([, text]) => text);
    const splits = fc.array(fc.nat(120), { maxLength: 12 });
    fc.assert(
      fc.property(fc.constantFrom(...texts), splits, (text, lengths) => {
        const parts: string[] = [];
        let rest = text;
        for (const length of lengths) {
          parts.push(rest.slice(0, length));
          rest = rest.slice(length);
        }
        const split = read(...parts, rest);
        const seen = read(text);
        // What follows a response may come after it has been taken.
        if (text.endsWith('ok!')) expect(split).toMatchObject({ status: 200, body: 'ok' });
        else expect(split).toEqual(seen);
      }),
    );
  });

  test('is read to its body, of any bytes, in chunks of any sizes', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 40 })), (parts) => {
        const chunks = [...parts, ''].map(chunk).join('');
        const body = parts.join('');
        expect(read(`${head(OK, 'Transfer-Encoding: chunked')}${chunks}`)).toMatchObject({ body, isPersistent: true });
        expect(read(`${head(OK, `Content-Length: ${body.length}`)}${body}`)).toMatchObject({
          body,
          isPersistent: true,
        });
      }),
    );
  });
});
