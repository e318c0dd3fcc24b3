import { describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import type { SipResponse } from '../../src/sip/message.ts';
import { serverCertificate } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { request, responseTo } from '../support/sip-request.ts';
import { ManualTimers } from '../support/timers.ts';
import type { StreamPeer } from '../support/wire.ts';
import { edgesAndPeers, type Gateway, serverTls, type TestEdge } from './support.ts';

const { start, listen, openTcp } = edgesAndPeers();

function send({ edge }: TestEdge, { port }: Gateway, transport: 'tcp' | 'tls' = 'tcp'): Promise<SipResponse> {
  const nextHop = { address: '127.0.0.1', port, transport } as const;
  return edge.request({ method: 'OPTIONS', uri: 'sip:127.0.0.1', nextHop, headers: {} }, 60_000);
}

/** An edge that has a connection to a gateway, over which a request was answered. */
async function setUp(transport: 'tcp' | 'tls' = 'tcp', timers?: ManualTimers) {
  const edge = await start({
    listen: [{ proto: transport, host: '127.0.0.1', port: 0 }],
    tls: serverTls(),
    ...(timers && { timers }),
  });
  const gateway = await listen(0, transport === 'tls' ? serverCertificate() : undefined);
  const sent = send(edge, gateway, transport);
  const connection = await gateway.connections.next();
  connection.send(responseTo(await connection.next()));
  await sent;
  return { edge, gateway, connection };
}

/** How a connection ends under a request. */
const ENDS: [string, (connection: StreamPeer) => void][] = [
  ['is closed', (connection) => void connection.socket.end()],
  ['is reset', (connection) => void connection.socket.resetAndDestroy()],
];

describe.each(['tcp', 'tls'] as const)(
  'a request over a connection that was opened for an earlier one, by %s',
  (transport) => {
    test.each(ENDS)('is sent once more, over a new one, when the connection %s', async (_what, end) => {
      const { edge, gateway, connection } = await setUp(transport);
      const sent = send(edge, gateway, transport);
      const text = await connection.next();
      end(connection);
      const other = await gateway.connections.next();
      // The same transaction: a peer that has the request already takes this for a retransmission.
      expect(await other.next()).toBe(text);
      other.send(responseTo(text));
      expect(await sent).toMatchObject({ status: 200, local: false });
      expect(gateway.connections.size).toBe(0);
      expect(edge.edge.holding.clientTransactions).toBe(0);
    });

    test.each(ENDS)('is not sent a third time when the new one %s too', async (_what, end) => {
      const { edge, gateway, connection } = await setUp(transport);
      const sent = send(edge, gateway, transport);
      await connection.next();
      end(connection);
      const other = await gateway.connections.next();
      await other.next();
      end(other);
      expect(await sent).toMatchObject({
        status: 503,
        local: true,
        why: expect.stringMatching(/^connection reset|closed/),
      });
      expect(gateway.connections.size).toBe(0);
    });
  },
);

describe('a request over a connection that was opened for an earlier one', () => {
  test('is not sent again after any response', async () => {
    const { edge, gateway, connection } = await setUp();
    const sent = send(edge, gateway);
    connection.send(responseTo(await connection.next(), '100 Trying'));
    await eventually('the response', () => (edge.edge.counters.responses === 2 ? true : undefined));
    connection.socket.destroy();
    expect(await sent).toMatchObject({ status: 503, local: true, why: 'the peer closed the connection' });
    expect(gateway.connections.size).toBe(0);
  });

  test('fails when the peer is gone', async () => {
    const { edge, gateway, connection } = await setUp();
    const sent = send(edge, gateway);
    await connection.next();
    gateway.close();
    connection.socket.destroy();
    expect(await sent).toMatchObject({ status: 503, local: true, why: 'connection refused' });
  });

  test('reaches a peer that was restarted', async () => {
    const { edge, gateway, connection } = await setUp();
    const sent = send(edge, gateway);
    await connection.next();
    gateway.close();
    const restarted = listen(gateway.port);
    connection.socket.destroy();
    const other = await (await restarted).connections.next();
    other.send(responseTo(await other.next()));
    expect(await sent).toMatchObject({ status: 200, local: false });
  });

  test('shares the new one with the others that were on it', async () => {
    const { edge, gateway, connection } = await setUp();
    const sent = [send(edge, gateway), send(edge, gateway)];
    for (const _ of sent) await connection.next();
    connection.socket.destroy();
    const other = await gateway.connections.next();
    for (const _ of sent) other.send(responseTo(await other.next()));
    for (const response of await Promise.all(sent)) expect(response).toMatchObject({ status: 200, local: false });
    expect(gateway.connections.size).toBe(0);
  });

  test('keeps its timer F', async () => {
    const timers = new ManualTimers();
    const { edge, gateway, connection } = await setUp('tcp', timers);
    const sent = send(edge, gateway);
    await connection.next();
    timers.advance(20_000);
    connection.socket.destroy();
    await (await gateway.connections.next()).next();
    timers.advance(12_000);
    expect(await sent).toMatchObject({ status: 408, local: true, why: 'no response' });
  });

  test('leaves nothing behind when the edge stops before the new one is open', async () => {
    const timers = new ManualTimers();
    const { edge, gateway, connection } = await setUp('tcp', timers);
    const sent = send(edge, gateway);
    await connection.next();
    connection.socket.destroy();
    await gateway.connections.next();
    await edge.edge.stop(0);
    expect(await sent).toMatchObject({ status: 503, local: true, why: 'we are stopping' });
    expect(timers.pending).toBe(0);
    await eventually('no connection', () => (edge.edge.holding.connections === 0 ? true : undefined));
    expect(gateway.connections.size).toBe(0);
  });

  test('is not sent again because the edge stops', async () => {
    const { edge, gateway, connection } = await setUp();
    const sent = send(edge, gateway);
    await connection.next();
    await edge.edge.stop(0);
    expect(await sent).toMatchObject({ status: 503, local: true, why: 'we are stopping' });
    expect(gateway.connections.size).toBe(0);
  });
});

test('a connection that the edge has ended, and the peer has not, is replaced', async () => {
  const edge = await start({ timers: new ManualTimers() });
  const gateway = await listen(0, undefined, { allowHalfOpen: true });
  const sent = send(edge, gateway);
  const connection = await gateway.connections.next();
  connection.send(responseTo(await connection.next()));
  await sent;
  const ended = once(connection.socket, 'end');
  // Without a Content-Length the stream has no meaning from here on.
  connection.send(request('OPTIONS', 'TCP a.invalid').replace('Content-Length: 0\r\n', ''));
  await ended;
  const next = send(edge, gateway);
  const other = await gateway.connections.next();
  other.send(responseTo(await other.next()));
  expect(await next).toMatchObject({ status: 200, local: false });
});

test('a request over a connection opened for itself is not sent again', async () => {
  const edge = await start();
  const gateway = await listen();
  const sent = send(edge, gateway);
  const connection = await gateway.connections.next();
  await connection.next();
  connection.socket.destroy();
  expect(await sent).toMatchObject({ status: 503, local: true, why: 'the peer closed the connection' });
  expect(gateway.connections.size).toBe(0);
});

describe('a connection on which a request got no response at all', () => {
  test('is not used for the next one, although nothing has closed it', async () => {
    const timers = new ManualTimers();
    const { edge, gateway, connection } = await setUp('tcp', timers);
    const sent = send(edge, gateway);
    await connection.next();
    timers.advance(32_000);
    expect(await sent).toMatchObject({ status: 408, local: true });
    void send(edge, gateway);
    expect(await (await gateway.connections.next()).next()).toStartWith('OPTIONS ');
  });

  test('stays in use when the peer opened it: its phone is registered over it', async () => {
    const timers = new ManualTimers();
    const edge = await start({ timers });
    const phone = await openTcp(edge);
    phone.send(request('OPTIONS', 'TCP a.invalid'));
    await edge.answerNext();
    const nextHop = { address: '127.0.0.1', port: phone.port, transport: 'tcp' } as const;
    const sent = edge.edge.request({ method: 'OPTIONS', uri: 'sip:127.0.0.1', nextHop, headers: {} }, 60_000);
    timers.advance(32_000);
    expect(await sent).toMatchObject({ status: 408, local: true });
    expect(edge.edge.connections.isOpen('127.0.0.1', phone.port)).toBe(true);
  });

  test('is used further if the response was provisional', async () => {
    const timers = new ManualTimers();
    const { edge, gateway, connection } = await setUp('tcp', timers);
    const sent = send(edge, gateway);
    connection.send(responseTo(await connection.next(), '100 Trying'));
    await eventually('the response', () => (edge.edge.counters.responses === 2 ? true : undefined));
    timers.advance(32_000);
    expect(await sent).toMatchObject({ status: 408, local: true, why: 'no final response' });
    void send(edge, gateway);
    expect(await connection.next()).toStartWith('OPTIONS ');
  });
});
