import { afterEach, describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { connect } from 'node:net';
import fc from 'fast-check';
import type { Edge, EdgeOptions } from '../../src/edge/index.ts';
import { HALF_OPEN_MS, MAX_MESSAGE_BYTES, MAX_UPGRADE_BYTES } from '../../src/edge/limits.ts';
import { CLOSE, encodeFrame, FrameReader, OPCODE } from '../../src/edge/transports/ws-frames.ts';
import { authority, openSocket, openStream, serverTls } from './stream-peers.ts';
import { Inbox, ManualClock, portOf, RawApp, request, startTestEdge, textOf, transactionOf } from './support.ts';
import { clientFrame, UPGRADE, WsPeer } from './ws-peer.ts';

let cleaner = new AsyncDisposableStack();
afterEach(async () => {
  await cleaner.disposeAsync();
  cleaner = new AsyncDisposableStack();
});

const LISTEN = [
  { proto: 'ws', host: '127.0.0.1', port: 0 },
  { proto: 'wss', host: '127.0.0.1', port: 0 },
] as const;
const VIA = 'WS df7jal23ls0d.invalid';

async function start(options: Partial<EdgeOptions> = {}): Promise<Edge> {
  return cleaner.adopt(await startTestEdge({ listen: LISTEN, tls: serverTls(), ...options }), (e) => e.stop());
}

async function phoneOf(edge: Edge): Promise<WsPeer> {
  return cleaner.use(await WsPeer.open(await openSocket('ws', portOf(edge, 'ws'))));
}

describe("a browser's WebSocket", () => {
  test.each(['ws', 'wss'] as const)('%s: registers over it, and gets its answers over it', async (proto) => {
    const edge = await start();
    const app = cleaner.use(await RawApp.ready(edge, 'register'));
    const messages = new Inbox<string>();
    const socket = new WebSocket(`${proto}://127.0.0.1:${portOf(edge, proto)}/any/path?at=all`, {
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
    const frame = await app.next();
    const [, , , , told, address, port, , , , localAddress, localPort] = frame.split('|');
    expect([told, address, localAddress]).toEqual([proto === 'ws' ? 'tcp' : 'tls', '127.0.0.1', '127.0.0.1']);
    expect(localPort).toBe(String(portOf(edge, proto)));
    expect(textOf(frame)).toContain(`\r\nVia: SIP/2.0/${via};branch=z9hG4bKw;received=127.0.0.1;rport=${port}\r\n`);
    const sent = await app.ask(`sip|${transactionOf(frame)}|\r\nSIP/2.0 200 OK\r\n\r\n`);
    expect(await messages.next()).toBe(textOf(sent));

    // And the other way round; a URI says ws of WSS too.
    await app.ask(`sip|||sip:127.0.0.1:${port};transport=ws\r\nOPTIONS sip:john@df7jal23ls0d.invalid SIP/2.0\r\n\r\n`);
    const asked = await messages.next();
    expect(asked).toMatch(new RegExp(`^OPTIONS .*\r\nVia: SIP/2\\.0/${proto.toUpperCase()} 127\\.0\\.0\\.1:`));
    socket.send(`SIP/2.0 200 OK\r\n${asked.slice(asked.indexOf('\r\n') + 2)}`);
    expect(textOf(await app.next())).toStartWith('SIP/2.0 200 OK\r\n');
  });

  test('the list of addresses names both', async () => {
    const edge = await start();
    expect(edge.hostports).toMatch(/^ws\/127\.0\.0\.1:\d+,wss\/127\.0\.0\.1:\d+$/);
  });
});

describe('the upgrade', () => {
  const ask = async (edge: Edge, head: string) => {
    const socket = connect({ host: '127.0.0.1', port: portOf(edge, 'ws') });
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
    ['a page', as('GET / HTTP/1.1', 'Host: a'), 426],
    ['another version', as(...without('Sec-WebSocket-Version'), 'Sec-WebSocket-Version: 8'), 426],
    ['no version', as(...without('Sec-WebSocket-Version')), 426],
    ['no subprotocol', as(...without('Sec-WebSocket-Protocol')), 400],
    ['another subprotocol', as(...without('Sec-WebSocket-Protocol'), 'Sec-WebSocket-Protocol: chat, xsip'), 400],
    ['no key', as(...without('Sec-WebSocket-Key')), 400],
    ['a key that is none', as(...without('Sec-WebSocket-Key'), 'Sec-WebSocket-Key: short'), 400],
    ['no Host', as(...without('Host')), 400],
    ['POST', as(...UPGRADE).replace('GET', 'POST'), 400],
    ['HTTP/1.0', as(...UPGRADE).replace('HTTP/1.1', 'HTTP/1.0'), 400],
    ['SIP', request('OPTIONS', 'TCP 127.0.0.1'), 400],
    ['a header that is none', as(...UPGRADE, 'no colon'), 400],
    ['a long one', `GET /${'x'.repeat(MAX_UPGRADE_BYTES)} HTTP/1.1\r\n\r\n`, 400],
    ['one without end', `GET /${'x'.repeat(MAX_UPGRADE_BYTES + 1)}`, 400],
  ])('is refused: %s', async (_what, head, status) => {
    const edge = await start();
    const { ended, text } = await ask(edge, head);
    await ended;
    expect(text()).toStartWith(`HTTP/1.1 ${status} `);
    expect(text()).toEndWith('\r\nContent-Length: 0\r\n\r\n');
    if (status === 426) expect(text()).toContain('\r\nSec-WebSocket-Version: 13\r\n');
    expect(edge.counters).toMatchObject({ requests: 0, malformed: 0, dropped: 1 });
  });

  test('is accepted as RFC 6455 1.3 has it, one of several subprotocols, byte by byte', async () => {
    const edge = await start();
    const head = as(...without('Sec-WebSocket-Protocol'), 'Sec-WebSocket-Protocol: chat, sip');
    const { socket, text } = await ask(edge, '');
    for (const byte of Buffer.from(head)) socket.write(Uint8Array.of(byte));
    await once(socket, 'data');
    expect(text()).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: sip\r\n\r\n',
    );
  });

  test('a frame may follow at once', async () => {
    const edge = await start();
    const { socket, text } = await ask(edge, '');
    socket.write(Buffer.concat([Buffer.from(as(...UPGRADE)), clientFrame(OPCODE.text, '\r\n\r\n')]));
    while (!text().endsWith('\x81\x02\r\n')) await once(socket, 'data');
    expect(text()).toStartWith('HTTP/1.1 101 ');
  });

  test.each([
    ['ws', ''],
    ['ws', 'GET / HTTP/1.1\r\nHost:'],
    ['wss', 'GET / HTTP/1.1\r\nHost:'],
  ] as const)('has 10 s: %s %p', async (proto, beginning) => {
    const clock = new ManualClock();
    const edge = await start({ clock });
    const slow = await openSocket(proto, portOf(edge, proto));
    slow.on('error', () => {});
    slow.resume();
    slow.write(beginning);
    const ended = once(slow, 'close');
    const other = cleaner.use(await openStream(proto, portOf(edge, proto)));
    clock.advance(HALF_OPEN_MS - 1);
    other.send('\r\n\r\n');
    expect(await other.next()).toBe('\r\n');
    clock.advance(1);
    await ended;
    other.send('\r\n\r\n');
    expect(await other.next()).toBe('\r\n');
  });

  test('whoever has been refused has 10 s to close its end', async () => {
    const clock = new ManualClock();
    const edge = await start({ clock });
    const stubborn = connect({ host: '127.0.0.1', port: portOf(edge, 'ws'), allowHalfOpen: true });
    stubborn.on('error', () => {});
    const closed = new Promise((resolve) => stubborn.on('close', resolve));
    stubborn.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(stubborn, 'data');
    clock.advance(HALF_OPEN_MS);
    // It is reset: whatever it still sends finds nobody.
    const junk = setInterval(() => stubborn.write('x'), 1);
    await closed;
    clearInterval(junk);
  });
});

describe('frames', () => {
  const text = request('OPTIONS', VIA, { body: 'zwölf' });

  /** What a reader makes of those bytes. */
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

  test('in one piece, byte by byte, and cut in two anywhere', () => {
    expect(read(stream)).toEqual(expected);
    expect(read(...Array.from(stream, (byte) => Uint8Array.of(byte)))).toEqual(expected);
    for (let i = 1; i < stream.length; i++) expect(read(stream.subarray(0, i), stream.subarray(i))).toEqual(expected);
  });

  test('as long as a message may be, in one or several', () => {
    const half = long.slice(MAX_MESSAGE_BYTES / 2);
    expect(read(clientFrame(OPCODE.text, long))).toEqual([long, 'done']);
    expect(read(clientFrame(OPCODE.text, half, { fin: false }), clientFrame(OPCODE.continuation, half))).toEqual([
      long,
      'done',
    ]);
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
    ['no UTF-8', clientFrame(OPCODE.text, Uint8Array.of(0xff)), CLOSE.notUtf8],
    ['too long', clientFrame(OPCODE.text, `${long}x`), CLOSE.tooBig],
    ['too long to begin with', clientFrame(OPCODE.text, `${long}x`).subarray(0, 14), CLOSE.tooBig],
    [
      'too long in pieces',
      Buffer.concat([clientFrame(OPCODE.text, long, { fin: false }), clientFrame(OPCODE.continuation, 'x')]),
      CLOSE.tooBig,
    ],
    ['of 2**63 bytes', Buffer.from('82ff800000000000000000000000', 'hex'), CLOSE.tooBig],
  ])('the connection fails: %s', (_what, bytes, code) => {
    expect(read(bytes, clientFrame(OPCODE.text, text))[0]).toBe(`failed ${code}`);
    expect(read(bytes, clientFrame(OPCODE.text, text)).filter((seen) => seen.startsWith('OPTIONS'))).toEqual([]);
  });

  test('of the edge can be read, whatever their length', () => {
    for (const length of [0, 125, 126, 65_535, 65_536, 70_000]) {
      const frame = encodeFrame(OPCODE.binary, Buffer.alloc(length, 'x'));
      const header = length < 126 ? 2 : length < 65_536 ? 4 : 10;
      expect(frame.length).toBe(header + length);
      expect(frame[0]).toBe(0x82);
      const told = header === 2 ? frame[1] : header === 4 ? frame.readUInt16BE(2) : Number(frame.readBigUInt64BE(2));
      expect(told).toBe(length);
    }
  });

  test('whatever comes, the reader neither throws nor hangs', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .tuple(fc.nat(15), fc.string({ maxLength: 200 }), fc.boolean(), fc.boolean())
        .map(([opcode, payload, fin, masked]) => new Uint8Array(clientFrame(opcode, payload, { fin, masked }))),
    );
    fc.assert(fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => read(...pieces).length > 0));
  });
});

describe('on the connection', () => {
  const message = () => request('OPTIONS', VIA);

  test('a ping is answered, a single CRLF is not', async () => {
    const phone = await phoneOf(await start());
    phone.socket.write(clientFrame(OPCODE.ping, 'are you there'));
    expect(await phone.control.next()).toEqual({ opcode: OPCODE.pong, payload: Buffer.from('are you there') });
    phone.send('\r\n');
    phone.send('');
    phone.send('\r\n\r\n');
    expect(await phone.next()).toBe('\r\n');
    expect(phone.inbox.size).toBe(0);
  });

  test('binary frames are read too; a message needs no Content-Length', async () => {
    const phone = await phoneOf(await start());
    phone.socket.write(clientFrame(OPCODE.binary, message().replace(/Content-Length: 0\r\n/, '')));
    expect(await phone.next()).toStartWith('SIP/2.0 503 ');
  });

  test('a body beyond ASCII is counted in bytes', async () => {
    const edge = await start();
    const phone = await phoneOf(edge);
    const app = cleaner.use(await RawApp.ready(edge, 'options'));
    phone.send(message());
    const id = transactionOf(await app.next());
    await app.ask(`sip|${id}|\r\nSIP/2.0 200 OK\r\n\r\nzwölf`);
    expect(await phone.next()).toEndWith('\r\nContent-Length: 6\r\n\r\nzwölf');
  });

  test('what is no SIP costs one message, not the connection', async () => {
    const edge = await start();
    const phone = await phoneOf(edge);
    phone.send('hello');
    phone.send(message());
    expect(await phone.next()).toStartWith('SIP/2.0 503 ');
    expect(edge.counters.malformed).toBe(1);
  });

  test.each([
    ['a farewell', clientFrame(OPCODE.close, Buffer.from('03e8627965', 'hex')), '03e8'],
    ['a frame that is none', clientFrame(OPCODE.text, 'x', { masked: false }), '03ea'],
    ['too long a message', clientFrame(OPCODE.binary, Buffer.alloc(MAX_MESSAGE_BYTES + 1)), '03f1'],
  ])('%s is answered with one, and the connection ends', async (_what, bytes, payload) => {
    const phone = await phoneOf(await start());
    phone.socket.write(bytes);
    expect(await phone.control.next()).toEqual({ opcode: OPCODE.close, payload: Buffer.from(payload, 'hex') });
    await phone.closed;
  });

  test('a message that was begun and is not continued ends it after 10 s, however many pings come', async () => {
    const clock = new ManualClock();
    const edge = await start({ clock });
    const phone = await phoneOf(edge);
    // More than is looked at in one turn.
    const PINGS = 4000;
    const pings = Buffer.concat(new Array<Buffer>(PINGS).fill(clientFrame(OPCODE.ping, '')));
    const ping = async () => {
      phone.socket.write(pings);
      for (let i = 0; i < PINGS; i++) expect(await phone.control.next()).toMatchObject({ opcode: OPCODE.pong });
    };
    phone.socket.write(clientFrame(OPCODE.text, message().slice(0, 100), { fin: false }));
    await ping();
    clock.advance(HALF_OPEN_MS / 2);
    // Another piece of it is no end either.
    phone.socket.write(clientFrame(OPCODE.continuation, message().slice(100, 200), { fin: false }));
    await ping();
    clock.advance(HALF_OPEN_MS / 2 - 1);
    await ping();
    clock.advance(1);
    await phone.closed;
    expect(edge.counters.requests).toBe(0);
  });

  test('a message in pieces that is complete in time leaves it open', async () => {
    const clock = new ManualClock();
    const phone = await phoneOf(await start({ clock }));
    const text = message();
    phone.socket.write(clientFrame(OPCODE.text, text.slice(0, 100), { fin: false }));
    phone.socket.write(clientFrame(OPCODE.ping, ''));
    await phone.control.next();
    clock.advance(HALF_OPEN_MS - 1);
    phone.socket.write(clientFrame(OPCODE.continuation, text.slice(100)));
    expect(await phone.next()).toStartWith('SIP/2.0 503 ');
    clock.advance(HALF_OPEN_MS);
    phone.send('\r\n\r\n');
    expect(await phone.next()).toBe('\r\n');
  });

  test('an answer whose connection is gone is lost: nobody can be called back', async () => {
    const ends = new Inbox<number>();
    const edge = await start({ connectionClosed: ({ port }) => ends.put(port) });
    const app = cleaner.use(await RawApp.ready(edge, 'options'));
    const phone = await phoneOf(edge);
    phone.send(message());
    const frame = await app.next();
    phone.socket.destroy();
    await ends.next('the end');
    expect(await app.ask(`sip|${transactionOf(frame)}|\r\nSIP/2.0 200 OK\r\n\r\n`)).toContain('|OK|');
    await app.ask(`sip|||sip:127.0.0.1:${frame.split('|')[6]};transport=ws\r\nOPTIONS sip:a.test SIP/2.0\r\n\r\n`);
    expect(textOf(await app.next())).toStartWith('SIP/2.0 503 ');
  });

  test('a certificate can be renewed under it', async () => {
    const edge = await start();
    const phone = cleaner.use(await openStream('wss', portOf(edge, 'wss')));
    edge.reloadCertificates();
    phone.send('\r\n\r\n');
    expect(await phone.next()).toBe('\r\n');
  });
});
