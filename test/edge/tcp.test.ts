import { describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { HALF_OPEN_MS, IDLE_MS, MAX_CONNECTIONS_PER_SOURCE, MAX_MESSAGE_BYTES } from '../../src/edge/limits.ts';
import { Connections } from '../../src/edge/transports/connections.ts';
import { StreamFramer } from '../../src/edge/transports/framing.ts';
import { ManualClock, portOf, RawApp, request, startTestEdge, TcpPeer, textOf, transactionOf } from './support.ts';

const message = (method = 'OPTIONS', body = '') => request(method, 'TCP 127.0.0.1', { body });

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

describe('connections', () => {
  test('the answer goes back over the connection of the request', async () => {
    await using cleaner = new AsyncDisposableStack();
    const edge = cleaner.adopt(await startTestEdge(), (e) => e.stop());
    const app = cleaner.use(await RawApp.ready(edge, 'options'));
    const phones = await Promise.all([1, 2].map(() => TcpPeer.open(portOf(edge, 'tcp'))));
    for (const phone of phones) cleaner.use(phone);
    for (const phone of phones) phone.send(message());
    for (const frame of [await app.next(), await app.next()]) {
      const reply = await app.ask(`sip|${transactionOf(frame)}|\r\nSIP/2.0 200 OK\r\n\r\n`);
      const port = frame.split('|')[6];
      const phone = phones.find((p) => String(p.port) === port);
      expect(await phone?.next()).toBe(textOf(reply));
    }
  });

  test('when it is gone, another one goes to the port of sent-by (RFC 3261 18.2.2)', async () => {
    await using cleaner = new AsyncDisposableStack();
    const edge = cleaner.adopt(await startTestEdge(), (e) => e.stop());
    const app = cleaner.use(await RawApp.ready(edge, 'options'));
    const listener = createServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    cleaner.defer(() => void listener.close());
    const { port } = listener.address() as { port: number };

    const phone = await TcpPeer.open(portOf(edge, 'tcp'));
    phone.send(request('OPTIONS', `TCP 127.0.0.1:${port}`));
    const frame = await app.next();
    phone.socket.destroy();
    await phone.closed;
    const arrived = once(listener, 'connection');
    await app.ask(`sip|${transactionOf(frame)}|\r\nSIP/2.0 200 OK\r\n\r\n`);
    // Should the edge not have seen the end of the connection yet, the answer is lost: then this times out.
    const back = cleaner.use(new TcpPeer((await arrived)[0] as Socket));
    expect(await back.next()).toStartWith('SIP/2.0 200 OK\r\n');
  });

  test('a double CRLF is answered with one (RFC 5626)', async () => {
    await using cleaner = new AsyncDisposableStack();
    const edge = cleaner.adopt(await startTestEdge(), (e) => e.stop());
    const phone = cleaner.use(await TcpPeer.open(portOf(edge, 'tcp')));
    phone.send('\r\n\r\n');
    expect(await phone.next()).toBe('\r\n');
  });

  test('400 for what can be answered; the connection ends when the stream has lost its meaning', async () => {
    await using cleaner = new AsyncDisposableStack();
    const edge = cleaner.adopt(await startTestEdge(), (e) => e.stop());
    const phone = cleaner.use(await TcpPeer.open(portOf(edge, 'tcp')));
    phone.send(message().replace('CSeq: 1 OPTIONS', 'CSeq: 1 INVITE'));
    expect(await phone.next()).toStartWith('SIP/2.0 400 Bad Request - CSeq Method Mismatch\r\n');
    phone.send(message().replace('Content-Length: 0', 'Content-Length: none'));
    expect(await phone.next()).toStartWith('SIP/2.0 400 Bad Request - Malformed Content-Length\r\n');
    await phone.closed;
    expect(edge.counters.malformed).toBe(2);
  });

  test('a message that has begun must be complete within 10 s, however busily its bytes drip', async () => {
    const clock = new ManualClock();
    await using cleaner = new AsyncDisposableStack();
    const edge = cleaner.adopt(await startTestEdge({ clock }), (e) => e.stop());
    const slow = cleaner.use(await TcpPeer.open(portOf(edge, 'tcp')));
    const busy = cleaner.use(await TcpPeer.open(portOf(edge, 'tcp')));
    // A keep-alive after each piece would spoil the message; one on another connection shows that the edge has read on.
    const settled = async () => {
      const probe = cleaner.use(await TcpPeer.open(portOf(edge, 'tcp')));
      probe.send('\r\n\r\n');
      await probe.next();
    };
    slow.send('OPTIONS sip:a');
    busy.send(message());
    await busy.next('503, as there is no app');
    await settled();
    clock.advance(HALF_OPEN_MS - 1);
    slow.send('@b SIP/2.0\r\n');
    busy.send('\r\n\r\n');
    await busy.next();
    await settled();
    clock.advance(1);
    await slow.closed;
    busy.send('\r\n\r\n');
    expect(await busy.next()).toBe('\r\n');
  });

  test('an idle connection ends after 15 minutes, a keep-alive starts them anew', async () => {
    const clock = new ManualClock();
    await using cleaner = new AsyncDisposableStack();
    const edge = cleaner.adopt(await startTestEdge({ clock }), (e) => e.stop());
    const phone = cleaner.use(await TcpPeer.open(portOf(edge, 'tcp')));
    const ping = async () => {
      phone.send('\r\n\r\n');
      await phone.next();
    };
    await ping();
    clock.advance(IDLE_MS - 1);
    await ping();
    clock.advance(IDLE_MS - 1);
    await ping();
    clock.advance(IDLE_MS);
    await phone.closed;
  });

  test('the bounds of connections, in all and per source', () => {
    const connections = new Connections<{ address: string; port: number }>(6, 3);
    const open = (address: string, port: number) => {
      const refusal = connections.refusal(address);
      if (!refusal) connections.add({ address, port });
      return refusal;
    };
    for (const port of [1, 2, 3]) expect(open('192.0.2.1', port)).toBeUndefined();
    expect(open('192.0.2.1', 4)).toBe('too many connections from there');
    for (const port of [1, 2, 3]) expect(open('192.0.2.2', port)).toBeUndefined();
    expect(open('192.0.2.3', 1)).toBe('too many connections');
    const [first] = connections;
    if (first) connections.delete(first);
    expect(open('192.0.2.1', 4)).toBeUndefined();
  });

  test('loopback is exempt from the bound of connections per source', async () => {
    await using cleaner = new AsyncDisposableStack();
    const edge = cleaner.adopt(await startTestEdge(), (e) => e.stop());
    const phones = await Promise.all(
      Array.from({ length: MAX_CONNECTIONS_PER_SOURCE + 5 }, () => TcpPeer.open(portOf(edge, 'tcp'))),
    );
    for (const phone of phones) cleaner.use(phone).send('\r\n\r\n');
    for (const phone of phones) expect(await phone.next()).toBe('\r\n');
  });

  test('a peer that does not read is disconnected', async () => {
    await using cleaner = new AsyncDisposableStack();
    const edge = cleaner.adopt(await startTestEdge(), (e) => e.stop());
    const phone = cleaner.use(await TcpPeer.open(portOf(edge, 'tcp')));
    phone.socket.pause();
    phone.socket.on('error', () => {});
    const burst = Array.from({ length: 200 }, () => message('INVITE')).join('');
    // Answers of 405 pile up; neither the kernel's buffers nor ours are endless.
    let gone = false;
    void phone.closed.then(() => {
      gone = true;
    });
    while (!gone && edge.counters.refused < 200_000) {
      if (!phone.socket.write(burst)) await Promise.race([once(phone.socket, 'drain').catch(() => {}), phone.closed]);
    }
    phone.socket.resume();
    await phone.closed;
    expect(edge.counters.refused).toBeLessThan(200_000);
  });
});
