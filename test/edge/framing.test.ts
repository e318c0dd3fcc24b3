import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { MAX_MESSAGE_BYTES } from '../../src/edge/limits.ts';
import { StreamFramer } from '../../src/edge/transports/framing.ts';
import { request } from '../support/sip-request.ts';

/** Everything that a framer reports for those pieces. */
function framed(...pieces: (string | Buffer)[]): string[] {
  const seen: string[] = [];
  const framer = new StreamFramer({
    message: ({ body, callId }, bytes) => seen.push(`${callId} ${Buffer.from(body)} ${bytes}`),
    malformed: (error, fatal) => seen.push(`${error.status} ${error.message}${fatal ? ' fatal' : ''}`),
    keepAlive: () => seen.push('ping'),
  });
  for (const piece of pieces) framer.push(typeof piece === 'string' ? Buffer.from(piece) : piece);
  seen.push(framer.halfOpen ? 'half open' : 'done');
  return seen;
}

describe('framing', () => {
  const first = request('OPTIONS', 'TCP 127.0.0.1', { callId: 'first' });
  const second = request('OPTIONS', 'TCP 127.0.0.1', { callId: 'second', body: 'zwölf\r\n\r\n' });
  const stream = Buffer.from(`${first}\r\n\r\n\r\n${second}${first}\r\n\r\n`);
  const expected = [
    `first  ${first.length}`,
    'ping',
    `second zwölf\r\n\r\n ${Buffer.byteLength(second)}`,
    `first  ${first.length}`,
    'ping',
    'done',
  ];

  test('messages and keep-alives are found in one piece, byte by byte, and cut in two anywhere', () => {
    expect(framed(stream)).toEqual(expected);
    expect(framed(...Array.from(stream, (byte) => Buffer.of(byte)))).toEqual(expected);
    for (let i = 1; i < stream.length; i++) expect(framed(stream.subarray(0, i), stream.subarray(i))).toEqual(expected);
  });

  test('they are found however often the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 20 }), (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), stream.length];
        expect(framed(...at.slice(1).map((end, i) => stream.subarray(at[i], end)))).toEqual(expected);
      }),
    );
  });

  test('NULs, lone LFs and blanks between messages are skipped', () => {
    for (const filler of ['\0', '\n', '\0\0\0\0', '\n\n', '\0\r\n', ' \t', '\r\0\n']) {
      const seen = [`first  ${first.length}`, `second zwölf\r\n\r\n ${Buffer.byteLength(second)}`, 'done'];
      const all = Buffer.from(filler + first + filler + second + filler);
      expect(framed(all)).toEqual(seen);
      expect(framed(...Array.from(all, (byte) => Buffer.of(byte)))).toEqual(seen);
    }
  });

  test('two equal Content-Lengths are one', () => {
    expect(framed(first.replace('\r\n\r\n', '\r\nl: 0\r\n\r\n') + first)).toHaveLength(3);
  });

  test('a malformed message whose end is known costs none of those after it', () => {
    const bad = second.replace('Call-ID', 'Call ID');
    expect(framed(bad + first)).toEqual(['400 Malformed Header Line', `first  ${first.length}`, 'done']);
    expect(framed(bad.slice(0, -4), bad.slice(-4) + first)).toHaveLength(3);
  });

  test.each([
    [
      'a message without Content-Length',
      first.replace(/Content-Length: 0\r\n/, ''),
      '400 Missing Content-Length fatal',
    ],
    [
      'a second Content-Length',
      first.replace('Content-Length', 'l: 5\r\nContent-Length'),
      '400 Multiple Content-Length fatal',
    ],
    ['a negative Content-Length', first.replace('Content-Length: 0', 'l: -1'), '400 Malformed Content-Length fatal'],
    ['a body that is too long', first.replace('Content-Length: 0', 'l: 65536'), '413 Message Too Large fatal'],
    ['a head that is too long', `X: ${'x'.repeat(MAX_MESSAGE_BYTES)}`, '413 Message Too Large fatal'],
  ])('nothing is read after %s', (_what, bad, why) => {
    expect(framed(bad, first)).toEqual([why, 'half open']);
  });

  test('a message may have as many bytes as the bound, head and body together', () => {
    const text = request('OPTIONS', 'TCP 127.0.0.1', { callId: 'long', body: 'x'.repeat(60_000) });
    const more = MAX_MESSAGE_BYTES - text.length;
    const sized = (bytes: number) =>
      request('OPTIONS', 'TCP 127.0.0.1', { callId: 'long', body: 'x'.repeat(60_000 + bytes) });
    expect(framed(sized(more)).at(-1)).toBe('done');
    expect(framed(sized(more))[0]).toEndWith(` ${MAX_MESSAGE_BYTES}`);
    expect(framed(sized(more + 1))[0]).toBe('413 Message Too Large fatal');
  });

  test('a refused message is half open until its body is complete', () => {
    const refused = second.replace('CSeq: 1', 'CSeq: x');
    expect(framed(Buffer.from(refused).subarray(0, -1)).at(-1)).toBe('half open');
    expect(framed(refused).at(-1)).toBe('done');
  });

  test('head and body of an incomplete message count as kept', () => {
    const ignore = () => {};
    const framer = new StreamFramer({ message: ignore, malformed: ignore, keepAlive: ignore });
    const bytes = Buffer.from(second);
    for (const byte of bytes.subarray(0, -1)) framer.push(Buffer.of(byte));
    expect(framer.keptBytes).toBe(bytes.length - 1);
    framer.push(bytes.subarray(-1));
    expect(framer.keptBytes).toBe(0);
  });

  test('no stream makes it throw or hang', () => {
    const piece = fc.oneof(
      fc.constantFrom(first, second, '\r\n', '\r', '\n', 'Content-Length: 7\r\n', '\r\n\r\n', 'SIP/2.0 200 OK\r\n'),
      fc.string({ maxLength: 40 }),
    );
    fc.assert(fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => framed(...pieces).length > 0));
  });
});
