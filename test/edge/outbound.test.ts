import { describe, expect, test } from 'bun:test';
import { Unavailable } from '../../src/ports/errors.ts';
import type { OutboundRequest } from '../../src/ports/sip-server.ts';
import type { SipResponse } from '../../src/sip/message.ts';
import type { NextHop } from '../../src/sip/next-hop.ts';
import { request, responseTo } from '../support/sip-request.ts';
import { ManualTimers } from '../support/timers.ts';
import { UdpPeer } from '../support/wire.ts';
import { edgesAndPeers, type TestEdge } from './support.ts';

const DEADLINE_MS = 60_000;

const { start, openUdp, openTcp, listen } = edgesAndPeers();

function hop(port: number, transport: NextHop['transport'] = 'udp'): NextHop {
  return { address: '127.0.0.1', port, transport };
}

/** An OPTIONS for a URI that leads elsewhere. */
function send({ edge }: TestEdge, nextHop: NextHop, more: Partial<OutboundRequest> = {}): Promise<SipResponse> {
  const uri = 'sip:b@elsewhere.test';
  return edge.request({ method: 'OPTIONS', uri, nextHop, headers: {}, ...more }, DEADLINE_MS);
}

test('a request goes to its next hop, whatever its Request-URI says, and resolves with its final response', async () => {
  const edge = await start();
  const gateway = await openUdp(edge);
  const answered = send(edge, hop(gateway.port));
  const text = await gateway.next();
  expect(text).toStartWith('OPTIONS sip:b@elsewhere.test SIP/2.0\r\n');
  gateway.send(responseTo(text, '100 Trying'));
  gateway.send(responseTo(text, '404 Nobody Here').replace('\r\n\r\n', '\r\nx-own: 1\r\n\r\n'));
  const final = await answered;
  expect(final).toMatchObject({ status: 404, reason: 'Nobody Here', local: false });
  expect(final.headers).toContainEqual({ name: 'x-own', value: '1' });
});

test.each<[string, Partial<OutboundRequest>, string]>([
  ['a line break in a value', { headers: { 'X-Own': 'a\r\nb: c' } }, 'line break in the value of X-Own'],
  ['a line break in a header name', { headers: { 'X-Own: a\r\nb': 'c' } }, 'not a header name'],
  ['a CSeq of another method', { headers: { CSeq: '1 INVITE' } }, 'CSeq Method Mismatch'],
  ['a malformed To', { headers: { To: '<sip:a@b' } }, 'Malformed To'],
  ['a Request-URI that is none', { uri: 'what' }, 'invalid request-uri: what'],
  ['a line break in the Request-URI', { uri: 'sip:a@b.test\r\nX: y' }, 'invalid request-uri'],
  ['a transport that is not listened on', { nextHop: hop(5061, 'tls') }, 'requested protocol/transport not available'],
  ['port 0', { nextHop: hop(0) }, 'not an address: 127.0.0.1:0'],
  ['a port beyond 65535', { nextHop: hop(65_536) }, 'not an address: 127.0.0.1:65536'],
  [
    'IPv6 without a listener for it',
    { nextHop: { address: '::1', port: 5060, transport: 'udp' } },
    'requested protocol/transport not available',
  ],
])('a request with %s is not sent', async (_what, more, why) => {
  const edge = await start();
  const gateway = await openUdp(edge);
  const failed = await send(edge, hop(gateway.port), more).catch((error) => error);
  expect(failed).toBeInstanceOf(Unavailable);
  expect(failed.message).toContain(why);
  // The first to arrive is the next one.
  void send(edge, hop(gateway.port), { method: 'REGISTER' });
  expect(await gateway.next()).toStartWith('REGISTER ');
  expect(edge.edge.holding.clientTransactions).toBe(1);
});

test('a request keeps the Max-Forwards and the From tag that it has, each once', async () => {
  const edge = await start();
  const gateway = await openUdp(edge);
  void send(edge, hop(gateway.port), { headers: { 'Max-Forwards': '5', From: '<sip:a@b.test>;tag=own' } });
  const lines = (await gateway.next()).split('\r\n');
  expect(lines.filter((line) => line.startsWith('Max-Forwards:'))).toEqual(['Max-Forwards: 5']);
  expect(lines.filter((line) => line.startsWith('From:'))).toEqual(['From: <sip:a@b.test>;tag=own']);
});

test('beyond the bound of client transactions a request is not sent', async () => {
  const edge = await start({ limits: { clientTransactions: 1 } });
  const gateway = await openUdp(edge);
  void send(edge, hop(gateway.port));
  await expect(send(edge, hop(gateway.port))).rejects.toThrow('SIP server: too many requests in progress');
  expect(await gateway.next()).toStartWith('OPTIONS ');
});

describe('without a final response', () => {
  test('a request fails at its deadline', async () => {
    const timers = new ManualTimers();
    const edge = await start({ timers });
    const gateway = await openUdp(edge);
    const request = { method: 'OPTIONS', uri: 'sip:b.test', nextHop: hop(gateway.port), headers: {} } as const;
    const asked = edge.edge.request(request, 3000);
    const text = await gateway.next();
    gateway.send(responseTo(text, '100 Trying'));
    timers.advance(3000);
    await expect(asked).rejects.toThrow(new Unavailable('SIP server', 'no response to OPTIONS within 3000 ms'));
  });

  test('no more, its deadline is forgotten', async () => {
    const timers = new ManualTimers();
    const edge = await start({ timers });
    const gateway = await openUdp(edge);
    const asked = send(edge, hop(gateway.port));
    gateway.send(responseTo(await gateway.next(), '200 OK'));
    await asked;
    timers.advance(DEADLINE_MS - 1);
    expect(timers.pending).toBe(0);
  });

  test('it is answered 408 by the edge when the deadline is later than timer F', async () => {
    const timers = new ManualTimers();
    const edge = await start({ timers });
    const gateway = await openUdp(edge);
    const asked = send(edge, hop(gateway.port));
    timers.advance(32_500);
    expect(await asked).toMatchObject({ status: 408, reason: 'Request Timeout', local: true, why: 'no response' });
  });
});

test('a connection leaves from the address that is listened on', async () => {
  const edge = await start({ listen: [{ proto: 'tcp', host: '127.0.0.2', port: 0 }] });
  const gateway = await listen();
  void send(edge, hop(gateway.port, 'tcp'));
  expect((await gateway.connections.next()).socket.remoteAddress).toBe('127.0.0.2');
});

test('a wildcard of IPv4 sends nothing by IPv6', async () => {
  const edge = await start({ listen: [{ proto: 'udp', host: '0.0.0.0', port: 0 }] });
  const asked = send(edge, { address: '::1', port: 5060, transport: 'udp' });
  await expect(asked).rejects.toThrow('requested protocol/transport not available');
});

describe('the bounds on connections', () => {
  test('over that of all, the request fails with the reason', async () => {
    const edge = await start({ limits: { connections: 0 } });
    const gateway = await listen();
    const response = await send(edge, hop(gateway.port, 'tcp'));
    expect(response).toMatchObject({ status: 503, local: true, why: 'too many connections' });
    expect(gateway.connections.size).toBe(0);
  });

  test('that of one source counts those that it opened, not ours', async () => {
    const edge = await start({ limits: { perSource: 1, exempt: () => false } });
    const phone = await openTcp(edge);
    phone.send(request('OPTIONS', 'TCP a.invalid'));
    await edge.answerNext();
    for (const gateway of [await listen(), await listen()]) {
      const sent = send(edge, hop(gateway.port, 'tcp'));
      const connection = await gateway.connections.next();
      await connection.next();
      connection.socket.destroy();
      expect(await sent).toMatchObject({ status: 503, why: 'the peer closed the connection' });
    }
    const second = await openTcp(edge);
    await second.closed;
    expect(edge.edge.connections.isOpen('127.0.0.1', phone.port)).toBe(true);
  });
});

test('one connection serves many requests, of any domain', async () => {
  const edge = await start();
  const gateway = await listen();
  const uris = ['sip:a.test', 'sip:b.test'];
  const asked = uris.map((uri) => send(edge, hop(gateway.port, 'tcp'), { uri }));
  const connection = await gateway.connections.next();
  for (let i = 0; i < 2; i++) connection.send(responseTo(await connection.next()));
  for (const { status } of await Promise.all(asked)) expect(status).toBe(200);
  expect(gateway.connections.size).toBe(0);
});

test('a connection that ends fails the requests that wait for a response on it', async () => {
  const edge = await start();
  const gateway = await listen();
  const asked = [send(edge, hop(gateway.port, 'tcp')), send(edge, hop(gateway.port, 'tcp'))];
  const connection = await gateway.connections.next();
  await connection.next();
  connection.socket.destroy();
  for (const response of await Promise.all(asked)) expect(response).toMatchObject({ status: 503, local: true });
});

test('a connection that we end, since nothing more can be read from it, says so', async () => {
  const edge = await start();
  const gateway = await listen();
  const sent = send(edge, hop(gateway.port, 'tcp'));
  const connection = await gateway.connections.next();
  connection.send(responseTo(await connection.next()).replace(/Content-Length.*\r\n/, ''));
  const why = 'the peer sent what cannot be read: Missing Content-Length';
  expect(await sent).toMatchObject({ status: 503, local: true, why });
});

test('of requests to several ports that nobody listens on each fails', async () => {
  // No retransmission helps.
  const edge = await start({ timers: new ManualTimers() });
  const gone = [await UdpPeer.open(), await UdpPeer.open()];
  const ports = gone.map(({ port }) => port);
  for (const peer of gone) peer[Symbol.dispose]();
  const asked = ports.map((port) => send(edge, hop(port)));
  for (const response of await Promise.all(asked)) expect(response).toMatchObject({ status: 503, local: true });
});

test('a datagram that nobody receives fails its own request and no other', async () => {
  const edge = await start();
  const gone = await UdpPeer.open();
  const refused = hop(gone.port);
  gone[Symbol.dispose]();
  const gateway = await openUdp(edge);
  expect(await send(edge, refused)).toMatchObject({ status: 503, local: true });
  const asked = [refused, hop(gateway.port), refused, hop(gateway.port)].map((nextHop) => send(edge, nextHop));
  for (let i = 0; i < 2; i++) gateway.send(responseTo(await gateway.next()));
  expect((await Promise.all(asked)).map(({ status, local }) => [status, local])).toEqual([
    [503, true],
    [200, false],
    [503, true],
    [200, false],
  ]);
});
