import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { encodeFrame, FrameReader } from '../../../src/adapters/drachtio/frames.ts';
import { portOf } from '../../edge/support.ts';
import { disposedAfterEach } from '../after-each.ts';
import { request } from '../sip-request.ts';
import { openStream, UdpPeer } from '../wire.ts';
import { MAX_FRAME_BYTES } from './app.ts';
import { frameOf } from './frames.ts';
import { RawApp, SECRET, startTestDrachtio, transactionOf } from './raw-app.ts';

const cleaner = disposedAfterEach();

const start = async (...protos: ('udp' | 'tcp' | 'ws')[]) => {
  const listen = (protos.length > 0 ? protos : ['udp' as const]).map((proto) => ({
    proto,
    host: '127.0.0.1',
    port: 0,
  }));
  return cleaner.adopt(await startTestDrachtio({ listen }), (server) => server.stop());
};

describe('frames', () => {
  const read = (...pieces: Uint8Array[]) => {
    const seen: string[] = [];
    const reader = new FrameReader(MAX_FRAME_BYTES, (payload) => seen.push(payload));
    for (const piece of pieces) if (!reader.push(Buffer.from(piece))) return [...seen, 'no frame'];
    return seen;
  };
  const payloads = ['a|ping', 'zwölf|sip||\r\nSIP/2.0 200 OK\r\n\r\nbödy', 'x'.repeat(1000)];
  const stream = Buffer.concat(payloads.map((payload) => Buffer.from(encodeFrame(payload))));

  test('in one piece, byte by byte, and cut in two anywhere', () => {
    expect(read(stream)).toEqual(payloads);
    expect(read(...Array.from(stream, (byte) => Uint8Array.of(byte)))).toEqual(payloads);
    for (let i = 1; i < stream.length; i++) expect(read(stream.subarray(0, i), stream.subarray(i))).toEqual(payloads);
  });

  test('a binary body is counted in bytes', () => {
    const frame = frameOf('a|', Uint8Array.of(0xc3, 0xb6, 0xff));
    expect(Buffer.from(frame as Uint8Array).toString('latin1')).toBe('5#a|\xc3\xb6\xff');
  });

  test('frames before junk are read, frames after it are not', () => {
    expect(read(Buffer.concat([stream, Buffer.from('junk'), stream]))).toEqual([...payloads, 'no frame']);
    expect(read(Buffer.from(`${MAX_FRAME_BYTES + 1}#`))).toEqual(['no frame']);
    expect(read(Buffer.from(`${MAX_FRAME_BYTES}#${'x'.repeat(MAX_FRAME_BYTES)}`))[0]).toHaveLength(MAX_FRAME_BYTES);
  });

  test('the reader neither throws nor hangs on any input', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 30 }),
      fc.string({ maxLength: 30 }).map((text) => new TextEncoder().encode(`${text.length}#${text}`)),
    );
    fc.assert(fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => read(...pieces).length >= 0));
  });
});

describe('apps that have not authenticated', () => {
  test.each([
    ['junk', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['binary data', Buffer.from([0xff, 0xfe, 0x00, 0x23])],
    ['a request to send', frame('id|sip|||sip:127.0.0.1:9\r\nOPTIONS sip:a SIP/2.0\r\n\r\n')],
    ['an answer', frame('id|sip|3a8a51e5-46d1-42fb-bd21-a2a2b3eb1ea0|\r\nSIP/2.0 200 OK\r\n\r\n')],
    ['a route', frame('id|route|register')],
    ['an empty message', frame('|')],
  ])('are disconnected without an answer: %s', async (_what, bytes) => {
    const server = await start();
    const app = cleaner.use(await RawApp.ready(server, 'options'));
    const stranger = cleaner.use(await RawApp.connect(server.controlPort));
    stranger.socket.write(bytes);
    await stranger.closed;
    expect(stranger.frames.size).toBe(0);
    expect(await app.ask('ping')).toEndWith('|OK|pong');
  });

  test.each(['', 'Cymru', `${SECRET} `, `${SECRET}x`, SECRET.slice(1), 'x'.repeat(60_000)])(
    'get one refusal for a wrong secret: %p',
    async (secret) => {
      const server = await start();
      const stranger = cleaner.use(await RawApp.connect(server.controlPort));
      // The second message is ignored.
      stranger.socket.write(frame(`id|authenticate|${secret}|`) + frame(`id|authenticate|${SECRET}|`));
      expect(await stranger.next()).toEndWith('|response|id|NO|incorrect secret');
      await stranger.closed;
      expect(stranger.frames.size).toBe(0);
    },
  );

  test('do not disturb others by trying many secrets at once', async () => {
    const server = await start();
    const app = cleaner.use(await RawApp.ready(server, 'options'));
    const strangers = await Promise.all(Array.from({ length: 40 }, () => RawApp.connect(server.controlPort)));
    for (const stranger of strangers) cleaner.use(stranger).send('id|authenticate|guess|');
    expect(await app.ask('ping')).toEndWith('|OK|pong');
    await Promise.all(strangers.map(({ closed }) => closed));
    expect(await RawApp.ready(server, 'options').then((other) => cleaner.use(other).ask('ping'))).toEndWith('|OK|pong');
  });
});

describe('an app that leaves with requests in progress', () => {
  test.each(['tcp', 'ws'] as const)('has them answered 503 over their connection: %s', async (proto) => {
    const server = await start(proto);
    const [leaves, stays] = [await RawApp.ready(server, 'options'), await RawApp.ready(server, 'options')];
    cleaner.use(leaves);
    cleaner.use(stays);
    const phones = [
      await openStream(proto, portOf(server.layer, proto)),
      await openStream(proto, portOf(server.layer, proto)),
    ];
    const [first, second] = phones;
    for (const [phone, app] of [
      [first, leaves],
      [second, stays],
    ] as const) {
      cleaner.use(phone ?? null)?.send(request('OPTIONS', `${proto.toUpperCase()} a.invalid`));
      expect(await app.next()).toContain('OPTIONS ');
    }
    leaves.socket.destroy();
    expect(await first?.next()).toStartWith('SIP/2.0 503 ');
    expect(second?.inbox.size).toBe(0);
    first?.send(request('OPTIONS', `${proto.toUpperCase()} a.invalid`));
    const frameOfFirst = await stays.next();
    await stays.ask(`sip|${transactionOf(frameOfFirst)}|\r\nSIP/2.0 200 OK\r\n\r\n`);
    expect(await first?.next()).toStartWith('SIP/2.0 200 ');
  });

  test('does not affect others by the responses to its own requests', async () => {
    const server = await start();
    const gateway = cleaner.use(await UdpPeer.open());
    const leaves = await RawApp.ready(server);
    await leaves.ask(`sip|||sip:127.0.0.1:${gateway.port}\r\nOPTIONS sip:a.test SIP/2.0\r\n\r\n`);
    const asked = await gateway.next();
    leaves.socket.destroy();
    await leaves.closed;
    const app = cleaner.use(await RawApp.ready(server, 'options'));
    const answer = `SIP/2.0 200 OK\r\n${asked.slice(asked.indexOf('\r\n') + 2)}`;
    gateway.send(answer, portOf(server.layer, 'udp'));
    gateway.send(request('OPTIONS', `UDP 127.0.0.1:${gateway.port}`), portOf(server.layer, 'udp'));
    expect(await app.next()).toContain('OPTIONS ');
    expect(server.layer.counters.responses).toBe(1);
  });
});

function frame(payload: string): string {
  return `${Buffer.byteLength(payload)}#${payload}`;
}
