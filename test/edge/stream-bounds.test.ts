import { afterEach, describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { EdgeOptions, FarEnd } from '../../src/edge/index.ts';
import { HALF_OPEN_MS, IDLE_MS, MAX_MESSAGE_BYTES } from '../../src/edge/limits.ts';
import { CLOSE, closePayload, OPCODE } from '../../src/edge/transports/ws-frames.ts';
import {
  authority,
  openSocket,
  openStream,
  type StreamProtocol,
  serverCertificate,
  serverTls,
} from './stream-peers.ts';
import { Inbox, ManualClock, portOf, RawApp, request, startTestEdge, TcpPeer, textOf } from './support.ts';
import { WsPeer } from './ws-peer.ts';

let cleaner = new AsyncDisposableStack();
afterEach(async () => {
  await cleaner.disposeAsync();
  cleaner = new AsyncDisposableStack();
});

/** An edge whose time does not pass, so that no deadline ends a connection. */
async function start(proto: StreamProtocol, options: Partial<EdgeOptions> = {}) {
  const clock = new ManualClock();
  const ends = new Inbox<FarEnd>();
  const listen = [{ proto, host: '127.0.0.1', port: 0 }];
  const connectionClosed = (connection: FarEnd) => ends.put(connection);
  const edge = await startTestEdge({ listen, tls: serverTls(), clock, connectionClosed, ...options });
  cleaner.defer(() => edge.stop());
  return { edge, clock, ends };
}

const message = (proto: StreamProtocol, options: Parameters<typeof request>[2] = {}) =>
  request('OPTIONS', `${proto.toUpperCase()} a.invalid`, options);
const LONG = 'x'.repeat(MAX_MESSAGE_BYTES);

describe.each(['tcp', 'tls'] as const)('%s: a message after which the stream has no meaning', (proto) => {
  test.each([
    ['over the bound: 413', message(proto, { body: LONG }), 'SIP/2.0 413 Message Too Large\r\n'],
    [
      'over the bound to judge by its head, which is all there is: 413',
      message(proto, { body: LONG }).slice(0, -LONG.length),
      'SIP/2.0 413 Message Too Large\r\n',
    ],
    [
      'without Content-Length: 400',
      message(proto).replace('Content-Length: 0\r\n', ''),
      'SIP/2.0 400 Bad Request - Missing Content-Length\r\n',
    ],
  ])('%s, and the connection ends', async (_what, bad, answer) => {
    const { edge, ends } = await start(proto);
    const phone = cleaner.use(await openStream(proto, portOf(edge, proto)));
    phone.send(message(proto));
    expect(await phone.next()).toStartWith('SIP/2.0 503 ');
    phone.send(bad + message(proto));
    const text = await phone.next();
    expect(text).toStartWith(answer);
    expect(text).toContain('\r\nCSeq: 1 OPTIONS\r\n');
    await phone.closed;
    await ends.next('the end of the connection');
    expect(phone.inbox.size).toBe(0);
    expect(edge.counters).toMatchObject({ requests: 1, malformed: 1, refused: 2 });
    expect(edge.holding.connections).toBe(0);
  });

  test('a head without end: nobody can be answered, and the connection ends', async () => {
    const { edge } = await start(proto);
    const phone = cleaner.use(await openStream(proto, portOf(edge, proto)));
    phone.send(`OPTIONS sip:a SIP/2.0\r\nX: ${LONG}`);
    await phone.closed;
    expect(phone.inbox.size).toBe(0);
    expect(edge.counters).toMatchObject({ requests: 0, malformed: 1, dropped: 1 });
  });

  test('whoever does not close its end has 10 s', async () => {
    const { edge, clock, ends } = await start(proto);
    const phone = cleaner.use(await openStream(proto, portOf(edge, proto)));
    // It answers the end of the edge with nothing.
    phone.socket.allowHalfOpen = true;
    phone.send(message(proto));
    await phone.next();
    phone.send(message(proto).replace('Content-Length: 0\r\n', ''));
    const ended = once(phone.socket, 'end');
    expect(await phone.next()).toStartWith('SIP/2.0 400 ');
    await ended;
    clock.advance(HALF_OPEN_MS - 1);
    expect(edge.holding.connections).toBe(1);
    clock.advance(1);
    await ends.next('the end of the connection');
    expect(edge.holding.connections).toBe(0);
  });
});

describe.each(['ws', 'wss'] as const)('%s: where a message ends, the frame tells', (proto) => {
  const open = async (port: number) => cleaner.use(await WsPeer.open(await openSocket(proto, port)));

  test('a Content-Length beyond it is answered 400, and the connection goes on', async () => {
    const { edge } = await start(proto);
    const phone = await open(portOf(edge, proto));
    for (const length of [1, MAX_MESSAGE_BYTES + 1]) {
      phone.send(message(proto).replace('Content-Length: 0', `Content-Length: ${length}`));
      expect(await phone.next()).toStartWith('SIP/2.0 400 Bad Request - Content-Length Exceeds Message\r\n');
    }
    phone.send(message(proto));
    expect(await phone.next()).toStartWith('SIP/2.0 503 ');
  });

  test('a frame over the bound is told so, and the connection ends', async () => {
    const { edge, ends } = await start(proto);
    const phone = await open(portOf(edge, proto));
    phone.send(message(proto));
    expect(await phone.next()).toStartWith('SIP/2.0 503 ');
    phone.send(message(proto, { body: LONG }));
    phone.send(message(proto));
    expect(await phone.control.next()).toEqual({ opcode: OPCODE.close, payload: closePayload(CLOSE.tooBig) });
    await phone.closed;
    await ends.next('the end of the connection');
    expect(phone.inbox.size).toBe(0);
    expect(edge.counters.requests).toBe(1);
    expect(edge.holding.connections).toBe(0);
  });
});

test.each(['tcp', 'tls'] as const)(
  '%s: an idle connection that the edge has opened ends like any other',
  async (proto) => {
    const { edge, clock } = await start(proto);
    const app = cleaner.use(await RawApp.ready(edge));
    const server = proto === 'tcp' ? createServer() : authority.server(serverCertificate());
    server.listen(0, '127.0.0.1');
    cleaner.defer(() => void server.close());
    await once(server, 'listening');
    const connected = once(server, proto === 'tcp' ? 'connection' : 'secureConnection');
    const { port } = server.address() as AddressInfo;
    await app.ask(`sip|||sip:127.0.0.1:${port};transport=${proto}\r\nOPTIONS sip:127.0.0.1 SIP/2.0\r\n\r\n`);
    const gateway = cleaner.use(new TcpPeer((await connected)[0] as Socket));
    const asked = await gateway.next();
    gateway.send(`SIP/2.0 200 OK\r\n${asked.slice(asked.indexOf('\r\n') + 2)}`);
    expect(textOf(await app.next('the answer'))).toStartWith('SIP/2.0 200 OK\r\n');

    for (let i = 0; i < 2; i++) {
      clock.advance(IDLE_MS - 1);
      gateway.send('\r\n\r\n');
      expect(await gateway.next()).toBe('\r\n');
    }
    clock.advance(IDLE_MS);
    await gateway.closed;
  },
);
