import { describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { HALF_OPEN_MS, IDLE_MS, MAX_MESSAGE_BYTES } from '../../src/edge/limits.ts';
import { CLOSE, closePayload, OPCODE } from '../../src/edge/transports/ws-frames.ts';
import type { ConnectionPeer } from '../../src/ports/sip-server.ts';
import { disposedAfterEach } from '../support/after-each.ts';
import { authority, serverCertificate } from '../support/certificates.ts';
import { Inbox } from '../support/inbox.ts';
import { request, responseTo } from '../support/sip-request.ts';
import { ManualTimers } from '../support/timers.ts';
import { openStream, StreamPeer, type StreamProtocol } from '../support/wire.ts';
import { serverTls, TestEdge } from './support.ts';

const cleaner = disposedAfterEach();

/** An edge whose time stands still, so that no deadline ends a connection. */
async function start(proto: StreamProtocol) {
  const timers = new ManualTimers();
  const listen = [{ proto, host: '127.0.0.1', port: 0 }];
  const edge = cleaner.adopt(await TestEdge.start({ listen, tls: serverTls(), timers }), (e) => e.stop());
  const ends = new Inbox<ConnectionPeer>();
  edge.edge.connections.onEnded((peer) => ends.put(peer));
  return { edge, timers, ends, port: edge.port(proto) };
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
    const { edge, ends, port } = await start(proto);
    const phone = cleaner.use(await openStream(proto, port));
    phone.send(message(proto));
    await edge.answerNext();
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
    phone.send(bad + message(proto));
    const text = await phone.next();
    expect(text).toStartWith(answer);
    expect(text).toContain('\r\nCSeq: 1 OPTIONS\r\n');
    await phone.closed;
    await ends.next('the end of the connection');
    expect(phone.inbox.size).toBe(0);
    expect(edge.edge.counters).toMatchObject({ requests: 1, malformed: 1, refused: 1 });
    expect(edge.edge.holding.connections).toBe(0);
  });

  test('a head without end cannot be answered, and the connection ends', async () => {
    const { edge, port } = await start(proto);
    const phone = cleaner.use(await openStream(proto, port));
    phone.send(`OPTIONS sip:a SIP/2.0\r\nX: ${LONG}`);
    await phone.closed;
    expect(phone.inbox.size).toBe(0);
    expect(edge.edge.counters).toMatchObject({ requests: 0, malformed: 1, dropped: 1 });
  });

  test('a peer that does not close its end has 10 s to do so', async () => {
    const { edge, timers, ends, port } = await start(proto);
    const phone = cleaner.use(await openStream(proto, port));
    phone.socket.allowHalfOpen = true;
    phone.send(message(proto));
    await edge.answerNext();
    await phone.next();
    phone.send(message(proto).replace('Content-Length: 0\r\n', ''));
    const ended = once(phone.socket, 'end');
    expect(await phone.next()).toStartWith('SIP/2.0 400 ');
    await ended;
    timers.advance(HALF_OPEN_MS - 1);
    expect(edge.edge.holding.connections).toBe(1);
    // Nothing can be sent over it.
    expect(edge.edge.connections.isOpen('127.0.0.1', phone.port)).toBe(false);
    timers.advance(1);
    await ends.next('the end of the connection');
    expect(edge.edge.holding.connections).toBe(0);
  });
});

describe.each(['ws', 'wss'] as const)('%s: the frame says where a message ends', (proto) => {
  const open = async (port: number) => cleaner.use(await openStream(proto, port));

  test('a Content-Length beyond it is answered 400, and the connection goes on', async () => {
    const { edge, port } = await start(proto);
    const phone = await open(port);
    for (const length of [1, MAX_MESSAGE_BYTES + 1]) {
      phone.send(message(proto).replace('Content-Length: 0', `Content-Length: ${length}`));
      expect(await phone.next()).toStartWith('SIP/2.0 400 Bad Request - Content-Length Exceeds Message\r\n');
    }
    phone.send(message(proto));
    await edge.answerNext();
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
  });

  test('a frame over the bound is answered with a close frame that says so, and the connection ends', async () => {
    const { edge, ends, port } = await start(proto);
    const phone = await open(port);
    phone.send(message(proto));
    await edge.answerNext();
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
    phone.send(message(proto, { body: LONG }));
    phone.send(message(proto));
    expect(await phone.control.next()).toEqual({ opcode: OPCODE.close, payload: closePayload(CLOSE.tooBig) });
    await phone.closed;
    await ends.next('the end of the connection');
    expect(phone.inbox.size).toBe(0);
    expect(edge.edge.counters.requests).toBe(1);
    expect(edge.edge.holding.connections).toBe(0);
  });
});

test.each(['tcp', 'tls'] as const)(
  '%s: an idle connection that the edge has opened ends as any other does',
  async (proto) => {
    const { edge, timers } = await start(proto);
    const server = proto === 'tcp' ? createServer() : authority.server(serverCertificate());
    server.listen(0, '127.0.0.1');
    cleaner.defer(() => void server.close());
    await once(server, 'listening');
    const connected = once(server, proto === 'tcp' ? 'connection' : 'secureConnection');
    const { port } = server.address() as AddressInfo;
    const nextHop = { address: '127.0.0.1', port, transport: proto };
    const ours = { method: 'OPTIONS', uri: 'sip:127.0.0.1', nextHop, headers: {} } as const;
    const responded = edge.edge.request(ours, 60_000);
    const gateway = cleaner.use(new StreamPeer((await connected)[0] as Socket));
    const asked = await gateway.next();
    gateway.send(responseTo(asked));
    expect(await responded).toMatchObject({ status: 200, local: false });

    for (let i = 0; i < 2; i++) {
      timers.advance(IDLE_MS - 1);
      gateway.send('\r\n\r\n');
      expect(await gateway.next()).toBe('\r\n');
    }
    timers.advance(IDLE_MS);
    await gateway.closed;
  },
);
