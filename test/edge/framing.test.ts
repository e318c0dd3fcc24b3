import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { MAX_MESSAGE_BYTES } from '../../src/edge/limits.ts';
import { StreamFramer } from '../../src/edge/transports/framing.ts';
import { request } from './support.ts';

/** Everything that a framer makes of those pieces. */
function framed(...pieces: (string | Buffer)[]): string[] {
  const seen: string[] = [];
  const framer = new StreamFramer({
    message: ({ body, callId }, bytes) => seen.push(`${callId} ${Buffer.from(body)} ${bytes}`),
    malformed: (error, fatal) => seen.push(`${error.status} ${error.message}${fatal ? ' fatal' : ''}`),
    keepAlive: () => seen.push('ping'),
  });
  for (const piece of pieces) framer.push(Buffer.from(piece as string));
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

  test('in one piece, byte by byte, and cut in two anywhere', () => {
    expect(framed(stream)).toEqual(expected);
    expect(framed(...Array.from(stream, (byte) => Buffer.of(byte)))).toEqual(expected);
    for (let i = 1; i < stream.length; i++) expect(framed(stream.subarray(0, i), stream.subarray(i))).toEqual(expected);
  });

  test('cut anywhere, any number of times', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 20 }), (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), stream.length];
        expect(framed(...at.slice(1).map((end, i) => stream.subarray(at[i], end)))).toEqual(expected);
      }),
    );
  });

  test('a message that is refused does not cost the ones after it, if its end can be told', () => {
    const bad = second.replace('Call-ID', 'Call ID');
    expect(framed(bad + first)).toEqual(['400 Malformed Header Line', `first  ${first.length}`, 'done']);
    expect(framed(bad.slice(0, -4), bad.slice(-4) + first)).toHaveLength(3);
  });

  test.each([
    ['no Content-Length', first.replace(/Content-Length: 0\r\n/, ''), '400 Missing Content-Length fatal'],
    ['two of them', first.replace('Content-Length', 'l: 5\r\nContent-Length'), '400 Multiple Content-Length fatal'],
    ['a negative one', first.replace('Content-Length: 0', 'l: -1'), '400 Malformed Content-Length fatal'],
    ['a body too long', first.replace('Content-Length: 0', 'l: 65536'), '413 Message Too Large fatal'],
    ['a head too long', `X: ${'x'.repeat(MAX_MESSAGE_BYTES)}`, '413 Message Too Large fatal'],
  ])('the stream has no meaning after %s', (_what, bad, why) => {
    expect(framed(bad, first)).toEqual([why, 'half open']);
  });

  test('whatever comes, it neither throws nor hangs', () => {
    const piece = fc.oneof(
      fc.constantFrom(first, second, '\r\n', '\r', '\n', 'Content-Length: 7\r\n', '\r\n\r\n', 'SIP/2.0 200 OK\r\n'),
      fc.string({ maxLength: 40 }),
    );
    fc.assert(fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => framed(...pieces).length > 0));
  });
});
