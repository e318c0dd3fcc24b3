import { describe, expect, test } from 'bun:test';
import type { EdgeOptions } from '../../src/edge/index.ts';
import { TCP_PATIENCE_MS } from '../../src/edge/long-request.ts';
import { WITHOUT_TCP_MS } from '../../src/edge/sender.ts';
import type { SipResponse } from '../../src/sip/message.ts';
import type { OutboundTransport } from '../../src/sip/next-hop.ts';
import { eventually } from '../support/eventually.ts';
import { dropConnections } from '../support/full-backlog.ts';
import { freePort } from '../support/net.ts';
import { responseTo } from '../support/sip-request.ts';
import { ManualTimers } from '../support/timers.ts';
import { UdpPeer } from '../support/wire.ts';
import { datagramsRead, edgesAndPeers, serverTls, type TestEdge } from './support.ts';

const { cleaner, start, openUdp, listen } = edgesAndPeers();

/** Above the 1300 bytes of RFC 3261 18.1.1. */
const LONG = { 'X-Long': 'x'.repeat(1300) };
const TIMER_F_MS = 32_000;

function send(
  { edge }: TestEdge,
  port: number,
  deadlineMs = 60_000,
  headers = LONG,
  transport: OutboundTransport = 'udp',
): Promise<SipResponse> {
  const nextHop = { address: '127.0.0.1', port, transport };
  return edge.request({ method: 'REGISTER', uri: 'sip:127.0.0.1', nextHop, headers }, deadlineMs);
}

/** An edge with a clock of its own, and a gateway that listens by UDP and TCP on one port. */
async function setUp(options: Partial<EdgeOptions> = {}) {
  const timers = new ManualTimers();
  const edge = await start({ timers, ...options });
  const port = await freePort();
  const byUdp = cleaner.use(await UdpPeer.open(edge.port('udp'), '127.0.0.1', '127.0.0.1', port));
  const byTcp = await listen(port);
  return { timers, edge, port, byUdp, byTcp };
}

const branchOf = (text: string) => /;branch=(\S+)/.exec(text)?.[1];
/** What two copies of one request have in common. */
const identityOf = (text: string) =>
  ['From: .*;tag=(.*)', 'Call-ID: (.*)', 'CSeq: (.*)'].map((line) => new RegExp(`^${line}\r$`, 'm').exec(text)?.[1]);

test('a request is measured in bytes, and one of 1300 still goes by UDP', async () => {
  const edge = await start();
  const byUdp = await openUdp(edge);
  const byTcp = await listen();
  const padded = (pad: string, port: number) => void send(edge, port, 60_000, { 'X-Long': pad });
  padded('', byUdp.port);
  const room = 1300 - (await byUdp.next()).length;
  padded('x'.repeat(room), byTcp.port);
  padded(`${'x'.repeat(room - 1)}é`, byTcp.port);
  const connection = await byTcp.connections.next();
  expect(await connection.next()).toContain(`X-Long: ${'x'.repeat(room - 1)}é\r\n`);
});

test('by TCP when the peer responds there', async () => {
  const { edge, port, byTcp, byUdp, timers } = await setUp();
  const sent = send(edge, port);
  const connection = await byTcp.connections.next();
  const text = await connection.next();
  expect(text).toMatch(/^REGISTER .*\r\nVia: SIP\/2\.0\/TCP /);
  timers.advance(TCP_PATIENCE_MS - 1);
  connection.send(responseTo(text));
  expect(await sent).toMatchObject({ status: 200, local: false });
  timers.advance(TIMER_F_MS);
  await datagramsRead();
  expect(byUdp.inbox.size).toBe(0);
  // The connection serves the next one too.
  void send(edge, port);
  expect(await connection.next()).toStartWith('REGISTER ');
});

test('by TLS alone when its next hop is one of TLS', async () => {
  const listeners = (['tcp', 'tls'] as const).map((proto) => ({ proto, host: '127.0.0.1', port: 0 }));
  const edge = await start({ listen: listeners, tls: serverTls() });
  // Without TLS it would get the request in clear, or a second connection.
  const gateway = await listen();
  const sent = send(edge, gateway.port, 60_000, LONG, 'tls');
  const connection = await gateway.connections.next();
  connection.socket.destroy();
  expect(await sent).toMatchObject({ status: 503, local: true });
  expect(connection.inbox.size).toBe(0);
  expect(gateway.connections.size).toBe(0);
});

test('by UDP at once when there is no listener for TCP', async () => {
  const edge = await start({ listen: [{ proto: 'udp', host: '127.0.0.1', port: 0 }] });
  const gateway = await openUdp(edge);
  const sent = send(edge, gateway.port);
  gateway.send(responseTo(await gateway.next()));
  expect(await sent).toMatchObject({ status: 200 });
});

describe('by UDP too, in a transaction of its own', () => {
  test('when TCP is refused', async () => {
    const timers = new ManualTimers();
    const edge = await start({ timers });
    const gateway = await openUdp(edge);
    const sent = send(edge, gateway.port);
    const text = await gateway.next();
    expect(text).toMatch(/^REGISTER .*\r\nVia: SIP\/2\.0\/UDP /);
    timers.advance(TCP_PATIENCE_MS);
    expect(edge.edge.holding.clientTransactions).toBe(1);
    gateway.send(responseTo(text, '401 Unauthorized'));
    expect(await sent).toMatchObject({ status: 401, local: false });
  });

  test('when TCP is accepted but silent', async () => {
    const { timers, edge, port, byTcp, byUdp } = await setUp();
    const sent = send(edge, port);
    const first = await (await byTcp.connections.next()).next();
    timers.advance(TCP_PATIENCE_MS - 1);
    await datagramsRead();
    expect(byUdp.inbox.size).toBe(0);
    timers.advance(1);
    const second = await byUdp.next();
    expect(branchOf(second)).not.toBe(branchOf(first));
    expect(identityOf(second)).toEqual(identityOf(first));
    byUdp.send(responseTo(second));
    expect(await sent).toMatchObject({ status: 200, local: false });
    // The copy by TCP is given up, timer K of the other runs.
    expect(edge.edge.holding.clientTransactions).toBe(1);
    timers.advance(5_000);
    expect(edge.edge.holding.clientTransactions).toBe(0);
  });

  test('when a firewall drops what is sent to the TCP port', async () => {
    const timers = new ManualTimers();
    const edge = await start({ timers });
    const port = await freePort();
    cleaner.use(await dropConnections(port));
    const byUdp = cleaner.use(await UdpPeer.open(edge.port('udp'), '127.0.0.1', '127.0.0.1', port));
    const sent = send(edge, port);
    timers.advance(TCP_PATIENCE_MS);
    const text = await byUdp.next();
    // The connection is given up after 10 s, and the request by UDP goes on.
    timers.advance(10_000 - TCP_PATIENCE_MS);
    await eventually('the end of the connection', () => (edge.edge.holding.connections === 0 ? true : undefined));
    // Retransmissions 0.5, 1.5 and 3.5 s after the first transmission, and no other copy.
    await datagramsRead();
    expect(byUdp.inbox.size).toBe(3);
    byUdp.send(responseTo(text));
    expect(await sent).toMatchObject({ status: 200, local: false });
  });

  test('before a shorter deadline of the caller', async () => {
    const { timers, edge, port, byUdp } = await setUp();
    const sent = send(edge, port, 2_000);
    timers.advance(500);
    byUdp.send(responseTo(await byUdp.next()));
    expect(await sent).toMatchObject({ status: 200 });
  });

  test('and the response by TCP is taken when it comes first', async () => {
    const { timers, edge, port, byTcp, byUdp } = await setUp();
    const sent = send(edge, port);
    const connection = await byTcp.connections.next();
    const text = await connection.next();
    timers.advance(TCP_PATIENCE_MS);
    await byUdp.next();
    connection.send(responseTo(text));
    expect(await sent).toMatchObject({ status: 200, local: false });
    expect(edge.edge.holding.clientTransactions).toBe(0);
    timers.advance(TIMER_F_MS);
    await datagramsRead();
    expect(byUdp.inbox.size).toBe(0);
  });

  test('where 482 only says that the peer has the copy by TCP in progress', async () => {
    const { timers, edge, port, byTcp, byUdp } = await setUp();
    const sent = send(edge, port);
    const connection = await byTcp.connections.next();
    const text = await connection.next();
    timers.advance(TCP_PATIENCE_MS);
    byUdp.send(responseTo(await byUdp.next(), '482 Merged Request'));
    await datagramsRead();
    connection.send(responseTo(text));
    expect(await sent).toMatchObject({ status: 200, local: false });
  });

  test('where 482 by TCP only says that the peer has the copy by UDP in progress', async () => {
    const { timers, edge, port, byTcp, byUdp } = await setUp();
    const sent = send(edge, port);
    const connection = await byTcp.connections.next();
    const text = await connection.next();
    timers.advance(TCP_PATIENCE_MS);
    const copy = await byUdp.next();
    connection.send(responseTo(text, '482 Merged Request'));
    await eventually('the response', () => (edge.edge.counters.responses === 1 ? true : undefined));
    byUdp.send(responseTo(copy));
    expect(await sent).toMatchObject({ status: 200, local: false });
  });

  test('and 482 is the response when there is no other copy', async () => {
    const edge = await start({ timers: new ManualTimers() });
    const gateway = await openUdp(edge);
    const sent = send(edge, gateway.port);
    gateway.send(responseTo(await gateway.next(), '482 Merged Request'));
    expect(await sent).toMatchObject({ status: 482, local: false });
  });

  test('and a closed UDP port leaves the copy by TCP its time', async () => {
    const { timers, edge, port, byTcp, byUdp } = await setUp();
    byUdp[Symbol.dispose]();
    const sent = send(edge, port);
    const connection = await byTcp.connections.next();
    const text = await connection.next();
    timers.advance(TCP_PATIENCE_MS);
    await eventually('the end of the copy by UDP', () =>
      edge.edge.holding.clientTransactions === 1 ? true : undefined,
    );
    connection.send(responseTo(text));
    expect(await sent).toMatchObject({ status: 200, local: false });
  });
});

describe('without a final response', () => {
  test('both have timer F together', async () => {
    const { timers, edge, port, byTcp } = await setUp();
    let response: SipResponse | undefined;
    const sent = send(edge, port).then((r) => {
      response = r;
    });
    await (await byTcp.connections.next()).next();
    await timers.advanceAsync(TIMER_F_MS - 1);
    expect(response).toBeUndefined();
    await timers.advanceAsync(1);
    await sent;
    expect(response).toMatchObject({ status: 408, local: true, why: 'no response' });
    expect(edge.edge.holding.clientTransactions).toBe(0);
  });

  test('a provisional one by TCP keeps UDP out of it, also when the connection ends', async () => {
    const { timers, edge, port, byTcp, byUdp } = await setUp();
    const sent = send(edge, port);
    const connection = await byTcp.connections.next();
    connection.send(responseTo(await connection.next(), '100 Trying'));
    await eventually('the response', () => (edge.edge.counters.responses === 1 ? true : undefined));
    timers.advance(TIMER_F_MS - 1);
    connection.socket.destroy();
    expect(await sent).toMatchObject({ status: 503, local: true, why: 'the peer closed the connection' });
    await datagramsRead();
    expect(byUdp.inbox.size).toBe(0);
  });

  test('both ports closed: 503 with the reason', async () => {
    const edge = await start({ timers: new ManualTimers() });
    const sent = send(edge, await freePort());
    expect(await sent).toMatchObject({ status: 503, local: true, why: 'port unreachable' });
  });

  test('the edge stops: 503, and nothing is left behind', async () => {
    for (const afterMs of [0, TCP_PATIENCE_MS]) {
      const { timers, edge, port, byTcp, byUdp } = await setUp();
      const sent = send(edge, port);
      await (await byTcp.connections.next()).next();
      timers.advance(afterMs);
      if (afterMs > 0) await byUdp.next();
      await edge.edge.stop(0);
      expect(await sent).toMatchObject({ status: 503, local: true, why: 'we are stopping' });
      expect(timers.pending).toBe(0);
      expect(edge.edge.holding.clientTransactions).toBe(0);
      await eventually('no connection', () => (edge.edge.holding.connections === 0 ? true : undefined));
      await datagramsRead();
      expect(byUdp.inbox.size).toBe(0);
    }
  });
});

describe('a peer that has responded by UDP and not by TCP', () => {
  /** A request that the peer answers by UDP once TCP has been silent. */
  async function learnt() {
    const all = await setUp();
    const { timers, edge, port, byTcp, byUdp } = all;
    const sent = send(edge, port);
    const connection = await byTcp.connections.next();
    await connection.next();
    timers.advance(TCP_PATIENCE_MS);
    byUdp.send(responseTo(await byUdp.next()));
    await sent;
    return { ...all, connection };
  }

  test('gets the next ones by UDP at once, for an hour', async () => {
    const { timers, edge, port, byTcp, byUdp } = await learnt();
    timers.advance(WITHOUT_TCP_MS - 1);
    const sent = send(edge, port);
    byUdp.send(responseTo(await byUdp.next()));
    expect(await sent).toMatchObject({ status: 200 });
    expect(byTcp.connections.size).toBe(0);
    timers.advance(1);
    void send(edge, port);
    expect(await (await byTcp.connections.next()).next()).toStartWith('REGISTER ');
  });

  test('gets them by TCP at another port', async () => {
    const { edge } = await learnt();
    const other = await listen();
    void send(edge, other.port);
    expect(await (await other.connections.next()).next()).toStartWith('REGISTER ');
  });

  test('is asked by TCP again after a request to which it did not respond', async () => {
    const { timers, edge, port, byTcp, byUdp } = await learnt();
    const sent = send(edge, port);
    await byUdp.next();
    await timers.advanceAsync(TIMER_F_MS);
    expect(await sent).toMatchObject({ status: 408, local: true });
    void send(edge, port);
    // Over a new connection: the other one was silent.
    expect(await (await byTcp.connections.next()).next()).toStartWith('REGISTER ');
  });
});

test.each([
  ['UDP after a provisional one by TCP', true],
  ['TCP after a provisional one by UDP', false],
])('a peer that responds by %s is not taken for one without TCP', async (_what, isTcpProvisional) => {
  const { timers, edge, port, byTcp, byUdp } = await setUp();
  const sent = send(edge, port);
  const connection = await byTcp.connections.next();
  const text = await connection.next();
  timers.advance(TCP_PATIENCE_MS);
  const copy = await byUdp.next();
  if (isTcpProvisional) connection.send(responseTo(text, '100 Trying'));
  else byUdp.send(responseTo(copy, '100 Trying'));
  await eventually('the response', () => (edge.edge.counters.responses === 1 ? true : undefined));
  if (isTcpProvisional) byUdp.send(responseTo(copy));
  else connection.send(responseTo(text));
  expect(await sent).toMatchObject({ status: 200 });
  void send(edge, port);
  expect(await connection.next()).toStartWith('REGISTER ');
});

test('a peer that responds by neither is not taken for one without TCP', async () => {
  const { timers, edge, port, byTcp } = await setUp();
  const sent = send(edge, port);
  await byTcp.connections.next();
  await timers.advanceAsync(TIMER_F_MS);
  expect(await sent).toMatchObject({ status: 408 });
  void send(edge, port);
  expect(await (await byTcp.connections.next()).next()).toStartWith('REGISTER ');
});
