import { describe, expect, test } from 'bun:test';
import { Edge, ListenError } from '../../src/edge/index.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import type { SipAnswer, SipHandler } from '../../src/ports/sip-server.ts';
import { eventually } from '../support/eventually.ts';
import { RecordingLogger } from '../support/logger.ts';
import { request } from '../support/sip-request.ts';
import { ManualTimers, settle } from '../support/timers.ts';
import { openStream, UdpPeer } from '../support/wire.ts';
import { datagramsRead, edgesAndPeers, portOf, silent } from './support.ts';

/** RFC 3261 17.1.2.2, timer F, and the slack of a {@link DelayQueue}. */
const CLIENT_GIVES_UP_MS = 32_500;

const { cleaner, start, openUdp, openTcp } = edgesAndPeers();

function options(phone: UdpPeer, fields: Parameters<typeof request>[2] = {}): string {
  return request('OPTIONS', `UDP 127.0.0.1:${phone.port}`, fields);
}

describe('a handler', () => {
  /** An edge with one handler for OPTIONS, and the response that a phone gets from it. */
  async function answered(handler: SipHandler, logger = new RecordingLogger()): Promise<string> {
    const listen = [{ proto: 'udp', host: '127.0.0.1', port: 0 }] as const;
    const edge = new Edge({ listen, logger });
    edge.handle('OPTIONS', handler);
    await edge.connect();
    cleaner.defer(() => edge.stop(0));
    const phone = cleaner.use(await UdpPeer.open(portOf(edge, 'udp')));
    phone.send(options(phone, { callId: 'mine' }));
    return phone.next();
  }

  const answering = (answer: SipAnswer) => answered(async () => answer);

  test('cannot replace the headers that a response copies from its request, but may give the To tag', async () => {
    const text = await answering({
      status: 200,
      headers: {
        via: 'SIP/2.0/UDP evil',
        from: '<sip:x@y>',
        to: '<sip:x@y>;tag=own',
        'call-id': 'x',
        cseq: '9 X',
        To: '<sip:x@y>;tag=own',
        'Content-Length': '99',
      },
    });
    expect(text).toMatch(/^Via: SIP\/2\.0\/UDP 127\.0\.0\.1:\d+;branch=/m);
    expect(text).not.toContain('evil');
    expect(text).toContain('\r\nFrom: <sip:demo@sidecar.test>;tag=1\r\n');
    expect(text).toContain('\r\nTo: <sip:demo@sidecar.test>;tag=own\r\n');
    expect(text).toContain('\r\nCall-ID: mine\r\n');
    expect(text).toContain('\r\nCSeq: 1 OPTIONS\r\n');
    expect(text.match(/^\S+:/gm)).toEqual(['Via:', 'From:', 'To:', 'Call-ID:', 'CSeq:', 'Content-Length:']);
    expect(text).toEndWith('\r\nContent-Length: 0\r\n\r\n');
  });

  test('that gives several values of one header has each sent on its own line', async () => {
    const text = await answering({ status: 401, headers: { 'www-authenticate': ['Digest a', 'Digest b'] } });
    expect(text).toStartWith('SIP/2.0 401 Unauthorized\r\n');
    expect(text).toContain('\r\nWWW-Authenticate: Digest a\r\nWWW-Authenticate: Digest b\r\n');
  });

  test('may give the reason phrase', async () => {
    expect(await answering({ status: 486, reason: 'Busy Here' })).toStartWith('SIP/2.0 486 Busy Here\r\n');
  });

  test.each<[string, SipAnswer]>([
    ['LF in a value', { status: 200, headers: { 'X-Own': 'a\nVia: b' } }],
    ['CR in a value', { status: 200, headers: { 'X-Own': 'a\rVia: b' } }],
    ['NUL in a value', { status: 200, headers: { 'X-Own': 'a\0b' } }],
    ['line break in one of several values', { status: 200, headers: { 'X-Own': ['a', 'b\r\nVia: c'] } }],
    ['line break in a header name', { status: 200, headers: { 'X-Own: a\r\nVia': 'b' } }],
    ['line break in the reason phrase', { status: 200, reason: 'OK\r\nVia: b' }],
  ])('whose answer has a %s is answered for with 500', async (_what, answer) => {
    const text = await answering(answer);
    expect(text).toStartWith('SIP/2.0 500 Server Internal Error\r\n');
    expect(text.match(/^\S+:/gm)).toEqual(['Via:', 'From:', 'To:', 'Call-ID:', 'CSeq:', 'Content-Length:']);
  });

  test.each<[string, SipHandler]>([
    ['rejects', () => Promise.reject(new Error('no way'))],
    [
      'throws',
      () => {
        throw new Error('no way');
      },
    ],
  ])('that %s is answered for with 500, and the log says why', async (_how, handler) => {
    const logger = new RecordingLogger();
    expect(await answered(handler, logger)).toStartWith('SIP/2.0 500 Server Internal Error\r\n');
    expect(logger.lines).toEqual([
      {
        level: 'error',
        message: 'request without an answer: sending 500',
        fields: { callId: 'mine', why: expect.stringContaining('no way') },
      },
    ]);
  });

  test('that never answers: its request is forgotten once the client has given up, and is a new one after that', async () => {
    const timers = new ManualTimers();
    const edge = await start({ timers });
    const phone = await openUdp(edge);
    const text = options(phone);
    phone.send(text);
    const late = await edge.next();
    timers.advance(31_999);
    expect(edge.edge.holding.serverTransactions).toBe(1);
    timers.advance(CLIENT_GIVES_UP_MS - 31_999);
    expect(edge.edge.holding.serverTransactions).toBe(0);

    phone.send(text);
    const again = await edge.next();
    late.answer(486);
    await settle();
    again.answer(200);
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
    await datagramsRead();
    expect(phone.inbox.size).toBe(0);
  });

  test('that never answers does not keep a connection from being read for ever', async () => {
    const timers = new ManualTimers();
    const edge = await start({ timers });
    const phone = await openTcp(edge);
    phone.send(request('OPTIONS', 'TCP a.invalid'));
    await edge.next();
    expect(edge.edge.holding.requestsUnderWay).toBe(1);
    timers.advance(CLIENT_GIVES_UP_MS);
    expect(edge.edge.holding.requestsUnderWay).toBe(0);
  });
});

describe('requests beyond a bound are answered 503 until there is room', () => {
  test.each([
    ['in progress', { serverTransactions: { unanswered: 1 } }],
    ['of server transactions', { serverTransactions: { transactions: 1 } }],
    ['of what server transactions keep', { serverTransactions: { bytes: 500 } }],
  ])('the bound %s', async (_what, limits) => {
    const edge = await start({ limits });
    const phone = await openUdp(edge);
    phone.send(options(phone));
    const first = await edge.next();
    phone.send(options(phone));
    expect(await phone.next()).toStartWith('SIP/2.0 503 Service Unavailable\r\n');
    expect(edge.received.size).toBe(0);
    expect(edge.edge.counters.refused).toBe(1);
    first.answer(200);
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
    phone.send(options(phone));
    await edge.answerNext();
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
  });

  test('requests in progress are counted over all transports', async () => {
    const edge = await start({ limits: { serverTransactions: { unanswered: 1 } } });
    const byUdp = await openUdp(edge);
    const byTcp = await openTcp(edge);
    byUdp.send(options(byUdp));
    await edge.next();
    byTcp.send(request('OPTIONS', 'TCP a.invalid'));
    expect(await byTcp.next()).toStartWith('SIP/2.0 503 ');
  });

  test('a handler that fails gives its place back', async () => {
    const listen = [{ proto: 'udp', host: '127.0.0.1', port: 0 }] as const;
    const edge = new Edge({ listen, logger: silent, limits: { serverTransactions: { unanswered: 1 } } });
    edge.handle('OPTIONS', () => Promise.reject(new Error('no way')));
    await edge.connect();
    cleaner.defer(() => edge.stop(0));
    const phone = cleaner.use(await UdpPeer.open(portOf(edge, 'udp')));
    for (let i = 0; i < 2; i++) {
      phone.send(options(phone));
      expect(await phone.next()).toStartWith('SIP/2.0 500 ');
    }
  });

  test('a handler that never answers gives its place back when its client has given up', async () => {
    const timers = new ManualTimers();
    const edge = await start({ timers, limits: { serverTransactions: { unanswered: 1 } } });
    const phone = await openUdp(edge);
    phone.send(options(phone));
    await edge.next();
    timers.advance(CLIENT_GIVES_UP_MS);
    phone.send(options(phone));
    await edge.answerNext();
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
  });

  test('a retransmission needs no room', async () => {
    const edge = await start({ limits: { serverTransactions: { unanswered: 1 } } });
    const phone = await openUdp(edge);
    const text = options(phone);
    phone.send(text);
    const first = await edge.next();
    phone.send(text);
    await eventually('a retransmission', () => edge.edge.counters.retransmissions || undefined);
    first.answer(200);
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
    expect(phone.inbox.size).toBe(0);
  });
});

describe('connect', () => {
  test('until it listens the edge has no address and sends nothing', async () => {
    const edge = new Edge({ listen: [{ proto: 'udp', host: '127.0.0.1', port: 0 }], logger: silent });
    const addresses: string[] = [];
    const connected: boolean[] = [];
    edge.onConnected(() => {
      addresses.push(edge.hostports);
      connected.push(edge.connected);
    });
    expect([edge.connected, edge.hostports, edge.localHostports, edge.privateAddress]).toEqual([false, '', '', '']);
    const nextHop = { address: '127.0.0.1', port: 9, transport: 'udp' } as const;
    const asked = edge.request({ method: 'OPTIONS', uri: 'sip:127.0.0.1', nextHop, headers: {} }, 1000);
    await expect(asked).rejects.toThrow(new Unavailable('SIP server', 'not listening'));

    await edge.connect();
    cleaner.defer(() => edge.stop(0));
    expect(edge.connected).toBe(true);
    expect(edge.hostports).toMatch(/^udp\/127\.0\.0\.1:\d+$/);
    expect(addresses).toEqual([edge.hostports]);
    expect(connected).toEqual([true]);
    expect(edge.privateAddress).toBe(`127.0.0.1:${portOf(edge, 'udp')}`);
  });

  test.each(['udp', 'tcp'] as const)('a %s port in use: the error names it, and nothing stays open', async (proto) => {
    const port = (await start()).port(proto);
    // The same port of another address, which has been listened on when the error comes.
    const free = { proto: 'tcp', host: '127.0.0.2', port } as const;
    const taken = { proto, host: '127.0.0.1', port };
    const other = new Edge({ listen: [free, taken], logger: silent });
    const failed = await other.connect().catch((error) => error);
    expect(failed).toBeInstanceOf(ListenError);
    expect(failed.message).toStartWith(`${proto}/127.0.0.1:${port} is in use; find by whom with ss -l`);
    expect([other.connected, other.localHostports]).toEqual([false, '']);
    await expect(openStream('tcp', port, '127.0.0.2', '127.0.0.1')).rejects.toThrow();
  });

  test('the external address is announced, and the local one can be had too', async () => {
    const { edge } = await start({ externalIp: '192.0.2.7' });
    expect(edge.hostports).toMatch(/^udp\/192\.0\.2\.7:\d+,tcp\/192\.0\.2\.7:\d+$/);
    expect(edge.localHostports).toMatch(/^udp\/127\.0\.0\.1:\d+,tcp\/127\.0\.0\.1:\d+$/);
  });
});

const NOTHING_HELD = {
  connections: 0,
  requestsUnderWay: 0,
  keptBytes: 0,
  serverTransactions: 0,
  clientTransactions: 0,
};

test('what the edge holds can be looked up: its connections, and transactions of 32 s', async () => {
  const timers = new ManualTimers();
  const edge = await start({ timers });
  const held = () => edge.edge.holding;
  const byUdp = await openUdp(edge);
  const byTcp = await openTcp(edge);
  byUdp.send(options(byUdp));
  const first = await edge.next();
  byTcp.send(request('OPTIONS', 'TCP a.invalid'));
  const second = await edge.next();
  expect(held()).toEqual({ ...NOTHING_HELD, connections: 1, requestsUnderWay: 1, serverTransactions: 2 });

  for (const { answer } of [first, second]) answer(200);
  await byUdp.next();
  await byTcp.next();
  expect(held()).toEqual({ ...NOTHING_HELD, connections: 1, serverTransactions: 1 });

  byTcp.send('OPTIONS sip:');
  expect(await eventually('half a message', () => held().keptBytes || undefined)).toBe(12);
  byTcp.socket.destroy();
  await eventually('no connection', () => (held().connections === 0 ? true : undefined));
  expect(held()).toEqual({ ...NOTHING_HELD, serverTransactions: 1 });

  const nextHop = { address: '127.0.0.1', port: byUdp.port, transport: 'udp' } as const;
  const asked = edge.edge.request({ method: 'OPTIONS', uri: 'sip:127.0.0.1', nextHop, headers: {} }, 60_000);
  await byUdp.next();
  expect(held().clientTransactions).toBe(1);
  timers.advance(33_000);
  expect(await asked).toMatchObject({ status: 408, local: true });
  expect(held()).toEqual(NOTHING_HELD);
});
