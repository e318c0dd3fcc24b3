import { describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { connect } from 'node:net';
import fc from 'fast-check';
import type { EdgeOptions } from '../../src/edge/index.ts';
import { HALF_OPEN_MS, MAX_MESSAGE_BYTES, MAX_UPGRADE_BYTES } from '../../src/edge/limits.ts';
import { CLOSE, encodeFrame, FrameReader, OPCODE } from '../../src/edge/transports/ws-frames.ts';
import { disposedAfterEach } from '../support/after-each.ts';
import { authority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { Inbox } from '../support/inbox.ts';
import { request } from '../support/sip-request.ts';
import { ManualTimers, settle } from '../support/timers.ts';
import { clientFrame, openSocket, openStream, UPGRADE, type WsPeer } from '../support/wire.ts';
import { causesOf, serverTls, TestEdge } from './support.ts';

const cleaner = disposedAfterEach();

const LISTEN = [
  { proto: 'ws', host: '127.0.0.1', port: 0 },
  { proto: 'wss', host: '127.0.0.1', port: 0 },
] as const;
const VIA = 'WS df7jal23ls0d.invalid';

async function start(options: Partial<EdgeOptions> = {}): Promise<TestEdge> {
  return cleaner.adopt(await TestEdge.start({ listen: LISTEN, tls: serverTls(), ...options }), (e) => e.stop());
}

async function phoneOf(edge: TestEdge): Promise<WsPeer> {
  return cleaner.use(await openStream('ws', edge.port('ws')));
}

describe("a browser's WebSocket", () => {
  test.each(['ws', 'wss'] as const)('%s: carries requests and their responses', async (proto) => {
    const edge = await start();
    const messages = new Inbox<string>();
    const socket = new WebSocket(`${proto}://127.0.0.1:${edge.port(proto)}/any/path?at=all`, {
      protocols: ['sip'],
      headers: { Origin: 'https://phone.example.test' },
      tls: { ca: authority.ca },
    });
    cleaner.defer(() => socket.close());
    socket.onmessage = ({ data }) => messages.put(typeof data === 'string' ? data : 'binary');
    await once(socket, 'open');
    expect(socket.protocol).toBe('sip');

    const via = VIA.replace('WS', proto.toUpperCase());
    socket.send(request('REGISTER', via, { branch: 'z9hG4bKw' }));
    const { source } = await edge.answerNext();
    expect(source).toMatchObject({ transport: proto === 'ws' ? 'tcp' : 'tls', address: '127.0.0.1' });
    expect(edge.edge.connections.isOpen(source.address, source.port)).toBe(true);
    const response = await messages.next();
    expect(response).toStartWith('SIP/2.0 200 OK\r\n');
    expect(response).toContain(`\r\nVia: SIP/2.0/${via};branch=z9hG4bKw;received=127.0.0.1;rport=${source.port}\r\n`);
  });

  test('both protocols are announced', async () => {
    const edge = await start();
    expect(edge.edge.hostports).toMatch(/^ws\/127\.0\.0\.1:\d+,wss\/127\.0\.0\.1:\d+$/);
  });
});

describe('an upgrade', () => {
  const send = async (edge: TestEdge, head: string) => {
    const socket = connect({ host: '127.0.0.1', port: edge.port('ws') });
    cleaner.defer(() => void socket.destroy());
    socket.on('error', () => {});
    let text = '';
    socket.on('data', (data) => {
      text += data.toString('latin1');
    });
    const ended = once(socket, 'close');
    socket.write(head);
    return { socket, ended, text: () => text };
  };
  const without = (name: string) => UPGRADE.filter((line) => !line.startsWith(name));
  const as = (...lines: string[]) => `${lines.join('\r\n')}\r\n\r\n`;

  test.each([
    ['no upgrade', as('GET / HTTP/1.1', 'Host: a'), 426],
    ['another version', as(...without('Sec-WebSocket-Version'), 'Sec-WebSocket-Version: 8'), 426],
    ['no version', as(...without('Sec-WebSocket-Version')), 426],
    ['no subprotocol', as(...without('Sec-WebSocket-Protocol')), 400],
    ['another subprotocol', as(...without('Sec-WebSocket-Protocol'), 'Sec-WebSocket-Protocol: chat, xsip'), 400],
    ['no key', as(...without('Sec-WebSocket-Key')), 400],
    ['a malformed key', as(...without('Sec-WebSocket-Key'), 'Sec-WebSocket-Key: short'), 400],
    ['two keys', as(...UPGRADE, 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='), 400],
    ['two versions', as(...UPGRADE, 'Sec-WebSocket-Version: 8'), 426],
    ['no Connection: Upgrade', as(...without('Connection'), 'Connection: keep-alive'), 426],
    ['no Host', as(...without('Host')), 400],
    ['POST', as(...UPGRADE).replace('GET', 'POST'), 400],
    ['HTTP/1.0', as(...UPGRADE).replace('HTTP/1.1', 'HTTP/1.0'), 400],
    ['SIP', request('OPTIONS', 'TCP 127.0.0.1'), 400],
    ['a malformed header', as(...UPGRADE, 'no colon'), 400],
    ['too long', `GET /${'x'.repeat(MAX_UPGRADE_BYTES)} HTTP/1.1\r\n\r\n`, 400],
    ['too long and without an end', `GET /${'x'.repeat(MAX_UPGRADE_BYTES + 1)}`, 400],
  ])('is refused: %s', async (_what, head, status) => {
    const edge = await start();
    const { ended, text } = await send(edge, head);
    await ended;
    expect(text()).toStartWith(`HTTP/1.1 ${status} `);
    expect(text()).toEndWith('\r\nContent-Length: 0\r\n\r\n');
    if (status === 426) expect(text()).toContain('\r\nSec-WebSocket-Version: 13\r\n');
    expect(edge.edge.counters).toMatchObject({ requests: 0, malformed: 0, dropped: 1 });
    expect(causesOf(edge.edge.drops)).toEqual({ WebSocket: 1 });
  });

  test('is accepted as in RFC 6455 1.3, byte by byte, with one of several subprotocols', async () => {
    const edge = await start();
    const head = as(...without('Sec-WebSocket-Protocol'), 'Sec-WebSocket-Protocol: chat, sip');
    const { socket, text } = await send(edge, '');
    for (const byte of Buffer.from(head)) socket.write(Uint8Array.of(byte));
    await once(socket, 'data');
    expect(text()).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: sip\r\n\r\n',
    );
  });

  test('counts as kept until it is complete', async () => {
    const edge = await start();
    const { socket } = await send(edge, 'GET / HTTP/1.1\r\n');
    const kept = () => edge.edge.holding.keptBytes || undefined;
    expect(await eventually('the beginning of an upgrade', kept)).toBe(16);
    socket.destroy();
    await eventually('nothing kept', () => (edge.edge.holding.keptBytes === 0 ? true : undefined));
  });

  test('may be followed by a frame at once', async () => {
    const edge = await start();
    const { socket, text } = await send(edge, '');
    socket.write(Buffer.concat([Buffer.from(as(...UPGRADE)), clientFrame(OPCODE.text, '\r\n\r\n')]));
    while (!text().endsWith('\x81\x02\r\n')) await once(socket, 'data');
    expect(text()).toStartWith('HTTP/1.1 101 ');
  });

  test.each([
    ['ws', ''],
    ['ws', 'GET / HTTP/1.1\r\nHost:'],
    ['wss', 'GET / HTTP/1.1\r\nHost:'],
  ] as const)('has 10 s: %s %p', async (proto, beginning) => {
    const timers = new ManualTimers();
    const edge = await start({ timers });
    const slow = await openSocket(proto, edge.port(proto));
    slow.on('error', () => {});
    slow.resume();
    slow.write(beginning);
    const ended = once(slow, 'close');
    const other = cleaner.use(await openStream(proto, edge.port(proto)));
    timers.advance(HALF_OPEN_MS - 1);
    other.send('\r\n\r\n');
    expect(await other.next()).toBe('\r\n');
    timers.advance(1);
    await ended;
    other.send('\r\n\r\n');
    expect(await other.next()).toBe('\r\n');
  });

  test('that was refused leaves the client 10 s to close its end', async () => {
    const timers = new ManualTimers();
    const edge = await start({ timers });
    const ended = Promise.withResolvers<void>();
    edge.edge.connections.onEnded(() => ended.resolve());
    const stubborn = connect({ host: '127.0.0.1', port: edge.port('ws'), allowHalfOpen: true });
    cleaner.defer(() => void stubborn.destroy());
    stubborn.on('error', () => {});
    stubborn.resume();
    stubborn.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(stubborn, 'end');
    timers.advance(HALF_OPEN_MS - 1);
    expect(edge.edge.holding.connections).toBe(1);
    timers.advance(1);
    await ended.promise;
    expect(edge.edge.holding.connections).toBe(0);
  });
});

describe('frames', () => {
  const text = request('OPTIONS', VIA, { body: 'zwölf' });

  /** The events of a reader that is given these bytes. */
  const read = (...pieces: Uint8Array[]) => {
    const seen: string[] = [];
    const reader = new FrameReader({
      message: (payload) => seen.push(payload.toString()),
      ping: (payload) => seen.push(`ping ${payload}`),
      close: (payload) => seen.push(`close ${payload.toString('hex')}`),
      failed: (code) => seen.push(`failed ${code}`),
    });
    for (const piece of pieces) reader.push(Buffer.from(piece));
    seen.push(reader.halfOpen ? 'half open' : 'done');
    return seen;
  };

  const long = 'x'.repeat(MAX_MESSAGE_BYTES);
  const stream = Buffer.concat([
    clientFrame(OPCODE.text, text),
    clientFrame(OPCODE.binary, text),
    clientFrame(OPCODE.text, text.slice(0, 100), { fin: false }),
    clientFrame(OPCODE.ping, 'in between'),
    clientFrame(OPCODE.continuation, '', { fin: false }),
    clientFrame(OPCODE.continuation, text.slice(100)),
    clientFrame(OPCODE.pong, 'whatever'),
    clientFrame(OPCODE.text, ''),
    clientFrame(OPCODE.close, Buffer.from([0x03, 0xe8])),
    clientFrame(OPCODE.text, 'after the end'),
  ]);
  const expected = [text, text, 'ping in between', text, '', 'close 03e8', 'done'];

  test('are found in one piece, byte by byte, and cut in two anywhere', () => {
    expect(read(stream)).toEqual(expected);
    expect(read(...Array.from(stream, (byte) => Uint8Array.of(byte)))).toEqual(expected);
    for (let i = 1; i < stream.length; i++) expect(read(stream.subarray(0, i), stream.subarray(i))).toEqual(expected);
  });

  test('may be as long as a message, in one frame or several', () => {
    const half = long.slice(MAX_MESSAGE_BYTES / 2);
    expect(read(clientFrame(OPCODE.text, long))).toEqual([long, 'done']);
    expect(read(clientFrame(OPCODE.text, half, { fin: false }), clientFrame(OPCODE.continuation, half))).toEqual([
      long,
      'done',
    ]);
  });

  test('that control the connection may come within the longest message', () => {
    const pieces = [
      clientFrame(OPCODE.text, long, { fin: false }),
      clientFrame(OPCODE.ping, 'in between'),
      clientFrame(OPCODE.continuation, ''),
    ];
    expect(read(...pieces)).toEqual(['ping in between', long, 'done']);
  });

  test('after a failure are not read, nor kept', () => {
    const seen: string[] = [];
    const note = (what: string) => () => void seen.push(what);
    const events = { message: note('message'), ping: note('ping'), close: note('close'), failed: note('failed') };
    const reader = new FrameReader(events);
    reader.push(clientFrame(OPCODE.text, text, { masked: false }));
    reader.push(clientFrame(OPCODE.text, text));
    expect(seen).toEqual(['failed']);
    expect([reader.keptBytes, reader.halfOpen]).toEqual([0, false]);
  });

  test('of an incomplete message count as kept', () => {
    const ignore = () => {};
    const reader = new FrameReader({ message: ignore, ping: ignore, close: ignore, failed: ignore });
    reader.push(clientFrame(OPCODE.text, 'x'.repeat(100), { fin: false }));
    expect(reader.keptBytes).toBe(100);
    const last = clientFrame(OPCODE.continuation, 'x');
    reader.push(last.subarray(0, -1));
    expect(reader.keptBytes).toBe(100 + last.length - 1);
    reader.push(last.subarray(-1));
    expect(reader.keptBytes).toBe(0);
  });

  test.each([
    ['not masked', clientFrame(OPCODE.text, text, { masked: false }), CLOSE.protocolError],
    ['a reserved bit', clientFrame(OPCODE.text, text, { reserved: 0x40 }), CLOSE.protocolError],
    ['an unknown opcode', clientFrame(0x3, text), CLOSE.protocolError],
    ['an unknown control opcode', clientFrame(0xb, ''), CLOSE.protocolError],
    ['a continuation of nothing', clientFrame(OPCODE.continuation, text), CLOSE.protocolError],
    ['a ping in pieces', clientFrame(OPCODE.ping, '', { fin: false }), CLOSE.protocolError],
    ['a long ping', clientFrame(OPCODE.ping, 'x'.repeat(126)), CLOSE.protocolError],
    ['half a close code', clientFrame(OPCODE.close, 'x'), CLOSE.protocolError],
    [
      'a text within a text',
      Buffer.concat([clientFrame(1, text, { fin: false }), clientFrame(1, text)]),
      CLOSE.protocolError,
    ],
    ['not UTF-8', clientFrame(OPCODE.text, Uint8Array.of(0xff)), CLOSE.notUtf8],
    ['too long', clientFrame(OPCODE.text, `${long}x`), CLOSE.tooBig],
    ['too long by its header', clientFrame(OPCODE.text, `${long}x`).subarray(0, 14), CLOSE.tooBig],
    [
      'too long in pieces',
      Buffer.concat([clientFrame(OPCODE.text, long, { fin: false }), clientFrame(OPCODE.continuation, 'x')]),
      CLOSE.tooBig,
    ],
    ['2**63 bytes long', Buffer.from('82ff800000000000000000000000', 'hex'), CLOSE.tooBig],
  ])('that break RFC 6455 or a bound fail the connection: %s', (_what, bytes, code) => {
    expect(read(bytes, clientFrame(OPCODE.text, text))[0]).toBe(`failed ${code}`);
    expect(read(bytes, clientFrame(OPCODE.text, text)).filter((seen) => seen.startsWith('OPTIONS'))).toEqual([]);
  });

  test('of the edge have the shortest header for their length', () => {
    for (const length of [0, 125, 126, 65_535, 65_536, 70_000]) {
      const frame = encodeFrame(OPCODE.binary, Buffer.alloc(length, 'x'));
      const header = length < 126 ? 2 : length < 65_536 ? 4 : 10;
      expect(frame.length).toBe(header + length);
      expect(frame[0]).toBe(0x82);
      const encoded = header === 2 ? frame[1] : header === 4 ? frame.readUInt16BE(2) : Number(frame.readBigUInt64BE(2));
      expect(encoded).toBe(length);
    }
  });

  test('of any bytes neither throw nor hang', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .tuple(fc.nat(15), fc.string({ maxLength: 200 }), fc.boolean(), fc.boolean())
        .map(([opcode, payload, fin, masked]) => new Uint8Array(clientFrame(opcode, payload, { fin, masked }))),
    );
    fc.assert(fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => read(...pieces).length > 0));
  });
});

describe('a WebSocket connection', () => {
  const message = () => request('OPTIONS', VIA);

  test('answers a ping and a double CRLF, but not a single CRLF', async () => {
    const phone = await phoneOf(await start());
    phone.socket.write(clientFrame(OPCODE.ping, 'are you there'));
    expect(await phone.control.next()).toEqual({ opcode: OPCODE.pong, payload: Buffer.from('are you there') });
    phone.send('\r\n');
    phone.send('');
    phone.send('\r\n\r\n');
    expect(await phone.next()).toBe('\r\n');
    expect(phone.inbox.size).toBe(0);
  });

  test('reads binary frames too, and needs no Content-Length', async () => {
    const edge = await start();
    const phone = await phoneOf(edge);
    phone.socket.write(clientFrame(OPCODE.binary, message().replace(/Content-Length: 0\r\n/, '')));
    await edge.answerNext();
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
  });

  test('measures a response beyond ASCII in bytes', async () => {
    const edge = await start();
    const phone = await phoneOf(edge);
    phone.send(message());
    await edge.answerNext({ status: 200, headers: { 'X-Number': 'zwölf' } });
    expect(await phone.next()).toEndWith('\r\nX-Number: zwölf\r\n\r\n');
    phone.send('\r\n\r\n');
    expect(await phone.next()).toBe('\r\n');
  });

  test.each([
    ['text', OPCODE.text, 'é'],
    ['binary, as it is not UTF-8', OPCODE.binary, Uint8Array.of(0xe9)],
  ])('gets a response as %s', async (_what, opcode, name) => {
    const edge = await start();
    const phone = await phoneOf(edge);
    const [before = '', after = ''] = message().replace('From: ', 'From: |').split('|');
    const bytes = Buffer.concat([Buffer.from(before), Buffer.from(name), Buffer.from(` ${after}`)]);
    const received = once(phone.socket, 'data');
    phone.socket.write(clientFrame(OPCODE.binary, bytes));
    await edge.answerNext();
    const [data] = await received;
    expect(data[0]).toBe(0x80 | opcode);
  });

  test('goes on after a message that is not SIP', async () => {
    const edge = await start();
    const phone = await phoneOf(edge);
    phone.send('hello');
    phone.send(message());
    await edge.answerNext();
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
    expect(edge.edge.counters.malformed).toBe(1);
  });

  test.each([
    ['a close frame', clientFrame(OPCODE.close, Buffer.from('03e8627965', 'hex')), '03e8'],
    ['a malformed frame', clientFrame(OPCODE.text, 'x', { masked: false }), '03ea'],
    ['a message over the bound', clientFrame(OPCODE.binary, Buffer.alloc(MAX_MESSAGE_BYTES + 1)), '03f1'],
  ])('ends after %s, which is answered with a close frame', async (_what, bytes, payload) => {
    const phone = await phoneOf(await start());
    phone.socket.write(bytes);
    expect(await phone.control.next()).toEqual({ opcode: OPCODE.close, payload: Buffer.from(payload, 'hex') });
    await phone.closed;
  });

  test('ends when a message is not complete within 10 s, however many pings come', async () => {
    const timers = new ManualTimers();
    const edge = await start({ timers });
    const phone = await phoneOf(edge);
    // More than the edge reads in one turn of the event loop.
    const PINGS = 4000;
    const pings = Buffer.concat(new Array<Buffer>(PINGS).fill(clientFrame(OPCODE.ping, '')));
    const ping = async () => {
      phone.socket.write(pings);
      for (let i = 0; i < PINGS; i++) expect(await phone.control.next()).toMatchObject({ opcode: OPCODE.pong });
    };
    phone.socket.write(clientFrame(OPCODE.text, message().slice(0, 100), { fin: false }));
    await ping();
    timers.advance(HALF_OPEN_MS / 2);
    // Another fragment does not restart the 10 s.
    phone.socket.write(clientFrame(OPCODE.continuation, message().slice(100, 200), { fin: false }));
    await ping();
    timers.advance(HALF_OPEN_MS / 2 - 1);
    await ping();
    timers.advance(1);
    await phone.closed;
    expect(edge.edge.counters.requests).toBe(0);
  });

  test('stays open when a fragmented message is complete in time', async () => {
    const timers = new ManualTimers();
    const edge = await start({ timers });
    const phone = await phoneOf(edge);
    const text = message();
    phone.socket.write(clientFrame(OPCODE.text, text.slice(0, 100), { fin: false }));
    phone.socket.write(clientFrame(OPCODE.ping, ''));
    await phone.control.next();
    timers.advance(HALF_OPEN_MS - 1);
    phone.socket.write(clientFrame(OPCODE.continuation, text.slice(100)));
    await edge.answerNext();
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
    timers.advance(HALF_OPEN_MS);
    phone.send('\r\n\r\n');
    expect(await phone.next()).toBe('\r\n');
  });

  test('that has ended loses its responses: no connection is opened to a browser', async () => {
    const edge = await start();
    const ended = Promise.withResolvers<void>();
    edge.edge.connections.onEnded(() => ended.resolve());
    const phone = await phoneOf(edge);
    phone.send(message());
    const { answer } = await edge.next();
    phone.socket.destroy();
    await ended.promise;
    answer(200);
    await settle();
    expect(edge.edge.holding).toMatchObject({ connections: 0, requestsUnderWay: 0, serverTransactions: 0 });
  });

  test('stays open when the certificate is renewed', async () => {
    const edge = await start();
    const phone = cleaner.use(await openStream('wss', edge.port('wss')));
    edge.edge.reloadCertificates();
    phone.send('\r\n\r\n');
    expect(await phone.next()).toBe('\r\n');
  });
});
