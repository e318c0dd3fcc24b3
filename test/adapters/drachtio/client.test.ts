import { afterEach, describe, expect, test } from 'bun:test';
import pLimit from 'p-limit';
import { DrachtioServer } from '../../../src/adapters/drachtio/server.ts';
import { digestResponse } from '../../../src/digest/algorithm.ts';
import { parseAuthHeader } from '../../../src/digest/credentials.ts';
import { type Edge, startEdge } from '../../../src/edge/index.ts';
import { Unavailable } from '../../../src/ports/errors.ts';
import type { OutboundRequest } from '../../../src/ports/sip-server.ts';
import { within } from '../../support/deadline.ts';
import { startKamailio } from '../../support/kamailio.ts';
import { RecordingLogger } from '../../support/logger.ts';
import { freePort } from '../../support/net.ts';
import { SipPeer } from '../../support/sip-peer.ts';
import { Registrar, serviceUnavailable } from '../../support/sip-registrar.ts';

const SECRET = 'cymru';
const DEADLINE_MS = 20_000;
const STOP_MS = 0;

const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const task of cleanUp.splice(0).reverse()) await task();
});

async function start(edgeControlPort = 0) {
  const logger = new RecordingLogger();
  const listen = [
    { proto: 'udp', host: '127.0.0.1', port: 0 },
    { proto: 'tcp', host: '127.0.0.1', port: 0 },
  ] as const;
  const launch = (controlPort: number) => startEdge({ listen, controlPort, secret: SECRET, logger });
  const edge = await launch(edgeControlPort);
  cleanUp.push(() => edge.stop());
  const server = new DrachtioServer({ ...edge.control, secret: SECRET, networks: [], logger });
  const restart = async (): Promise<Edge> => {
    const again = await launch(edge.control.port);
    cleanUp.unshift(() => again.stop());
    return again;
  };
  return { edge, server, logger, restart };
}

async function connected() {
  const started = await start();
  cleanUp.push(() => started.server.stop(STOP_MS));
  await within(started.server.connect(), DEADLINE_MS, 'connecting');
  return started;
}

async function peer(...args: Parameters<typeof SipPeer.start>): Promise<SipPeer> {
  const started = await SipPeer.start(...args);
  cleanUp.push(() => started.stop());
  return started;
}

const options = (route: string, headers: Record<string, string> = {}): OutboundRequest => ({
  method: 'OPTIONS',
  uri: 'sip:peer.test',
  route,
  headers,
});

async function closedRoute(transport: 'udp' | 'tcp'): Promise<string> {
  return `sip:127.0.0.1:${await freePort()};transport=${transport}`;
}

describe.each(['udp', 'tcp'] as const)('by %s', (transport) => {
  test('a registration: 401, then 200 with the same Call-ID and the next CSeq', async () => {
    const { server } = await connected();
    const registrar = new Registrar({ password: () => 'wonderland', realm: 'carrier.test', grant: () => 600 });
    const carrier = await peer(registrar.script, '127.0.0.8');
    const register = (cseq: number, more: Record<string, string> = {}) =>
      server.request(
        {
          method: 'REGISTER',
          uri: 'sip:carrier.test',
          route: carrier.route(transport),
          headers: {
            'Call-ID': 'trunk-1',
            CSeq: `${cseq} REGISTER`,
            From: '<sip:alice@carrier.test>;tag=mine',
            To: '<sip:alice@carrier.test>',
            Contact: `<sip:alice@192.0.2.1;transport=${transport}>`,
            Expires: '3600',
            'X-Trunk': 'seven',
            ...more,
          },
        },
        DEADLINE_MS,
      );
    const challenged = await register(7);
    expect(challenged).toMatchObject({ status: 401, reason: 'Unauthorized', local: false });
    const params = parseAuthHeader(challenged.header('WWW-Authenticate')[0] ?? '')[0]?.params;
    const nonce = params?.get('nonce') ?? '';
    const base = { username: 'alice', realm: 'carrier.test', nonce, uri: 'sip:carrier.test', response: '' };
    const qop = { nc: '00000001', count: 1, cnonce: 'c' };
    const response = digestResponse('MD5', { ...base, qop }, 'wonderland', 'REGISTER');
    const authorization = `Digest username="alice", realm="carrier.test", nonce="${nonce}", uri="sip:carrier.test", response="${response}", qop=auth, nc=00000001, cnonce="c"`;
    const granted = await register(8, { Authorization: authorization });
    expect(granted).toMatchObject({ status: 200, local: false });
    expect(granted.header('Contact')).toEqual([`<sip:alice@192.0.2.1;transport=${transport}>;expires=600`]);
    expect(granted.header('Expires')).toEqual([]);

    const [first, second] = carrier.requests;
    expect(carrier.requests.map((request) => request.transport)).toEqual([transport, transport]);
    expect([first?.header('Call-ID'), second?.header('Call-ID')]).toEqual(['trunk-1', 'trunk-1']);
    expect([first?.header('CSeq'), second?.header('CSeq')]).toEqual(['7 REGISTER', '8 REGISTER']);
    expect(second?.header('From')).toBe('<sip:alice@carrier.test>;tag=mine');
    expect(second?.header('X-Trunk')).toBe('seven');
    expect(second?.header('Via')).toStartWith(`SIP/2.0/${transport.toUpperCase()} 127.0.0.1:`);
  });

  test('provisional responses are not the answer', async () => {
    const { server } = await connected();
    const gateway = await peer(() => [
      { status: 100, reason: 'Trying' },
      { status: 404, reason: 'Not Found', headers: { Warning: ['399 a "one"', '399 a "two"'] } },
    ]);
    const response = await server.request(options(gateway.route(transport)), DEADLINE_MS);
    expect(response).toMatchObject({ status: 404, reason: 'Not Found', local: false });
    expect(response.header('Warning')).toEqual(['399 a "one"', '399 a "two"']);
  });

  test('a closed port is a 503 of the SIP server; a 503 of the peer is not', async () => {
    const { server } = await connected();
    const nobody = await server.request(options(await closedRoute(transport)), DEADLINE_MS);
    expect(nobody).toMatchObject({ status: 503, local: true });
    const overloaded = await peer(() => serviceUnavailable(120));
    const response = await server.request(options(overloaded.route(transport)), DEADLINE_MS);
    expect(response).toMatchObject({ status: 503, local: false });
    expect(response.header('Retry-After')).toEqual(['120']);
  });

  test('silence ends with the deadline, and harms no later request', async () => {
    const { server, edge } = await connected();
    const gateway = await peer(() => 'silent');
    const asked = server.request(options(gateway.route(transport)), 100);
    await expect(asked).rejects.toThrow('SIP server: no response to OPTIONS within 100 ms');
    gateway.script = () => ({ status: 204 });
    expect(await server.request(options(gateway.route(transport)), DEADLINE_MS)).toMatchObject({ status: 204 });
    expect(edge.counters.malformed).toBe(0);
  });

  test('the connection to the SIP server is lost with requests open', async () => {
    const { server, edge, restart } = await connected();
    const gateway = await peer(() => 'silent');
    const reconnected = new Promise<void>((resolve) => server.onConnected(resolve));
    const open = Array.from({ length: 100 }, () => server.request(options(gateway.route(transport)), 30_000));
    const ends = Promise.allSettled(open);
    await gateway.next();
    await edge.stop();
    const results = await within(ends, DEADLINE_MS, 'the end of all requests');
    expect(results.every((one) => one.status === 'rejected' && one.reason instanceof Unavailable)).toBe(true);
    expect(server.connected).toBe(false);
    await expect(server.request(options(gateway.route(transport)), 30_000)).rejects.toThrow('not connected');

    const again = await restart();
    await within(reconnected, DEADLINE_MS, 'reconnecting');
    expect(server.connected).toBe(true);
    expect(server.hostports).toBe(again.hostports);
    gateway.script = () => ({ status: 200 });
    expect(await server.request(options(gateway.route(transport)), DEADLINE_MS)).toMatchObject({ status: 200 });
  });
});

test('a connection that ends in the middle of an answer is a 503 of the SIP server, at once', async () => {
  const { server } = await connected();
  const gateway = await peer(() => 'close-mid-message');
  const response = await server.request(options(gateway.route('tcp')), DEADLINE_MS);
  expect(response).toMatchObject({ status: 503, local: true });
});

test('two thousand requests, a hundred at a time, each with its own answer', async () => {
  const { server } = await connected();
  const gateway = await peer((request) => ({ status: 200, headers: { 'X-Echo': request.header('X-Number') ?? '' } }));
  const numbers = Array.from({ length: 2000 }, (_, i) => String(i));
  const few = pLimit(100);
  const echoes = await few.map(numbers, async (number) => {
    const response = await server.request(options(gateway.route(), { 'X-Number': number }), 20_000);
    return response.header('X-Echo')[0];
  });
  expect(echoes).toEqual(numbers);
  expect(gateway.requests).toHaveLength(2000);
}, 30_000);

test('Kamailio answers, and what it answers is understood', async () => {
  const { server } = await connected();
  const kamailio = await startKamailio({ realm: 'sip.test', users: { alice: 'wonderland' } });
  for (const transport of ['udp', 'tcp'] as const) {
    const pong = await server.request(options(kamailio.route(transport)), DEADLINE_MS);
    expect(pong).toMatchObject({ status: 200, reason: 'OK', local: false });
    expect(pong.header('Server')[0]).toStartWith('kamailio');
  }
}, 30_000);

test('requests that are open when we stop end', async () => {
  const { server } = await start();
  await within(server.connect(), DEADLINE_MS, 'connecting');
  const gateway = await peer(() => 'silent');
  const asked = Promise.allSettled([server.request(options(gateway.route()), 30_000)]);
  await gateway.next();
  await server.stop(STOP_MS);
  expect(await asked).toMatchObject([{ status: 'rejected', reason: { message: 'SIP server: connection lost' } }]);
});

test('before the first connection there is none', async () => {
  const { server } = await start();
  expect(server.connected).toBe(false);
  expect(server.hostports).toBe('');
  await expect(server.request(options('sip:127.0.0.1:5060;transport=udp'), 100)).rejects.toThrow('not connected');
});

describe('what is not sent', () => {
  const ROUTE = 'sip:127.0.0.1:5060;transport=udp';
  test.each([
    ['not a route', options('sip:peer.test:5060;transport=udp')],
    ['not a route', options('sip:127.0.0.1;transport=udp')],
    ['not a route', options('sip:127.0.0.1:99999;transport=udp')],
    ['not a route', options('sip:127.0.0.1:5060;transport=udp\r\nX: y')],
    ['not a route', options('sip:[127.0.0.1]:5060;transport=udp')],
    ['not a route', options('sip:[127.0.0.1.9]:5060;transport=udp')],
    ['not a Request-URI', { ...options(ROUTE), uri: 'sip:a b' }],
    ['not a Request-URI', { ...options(ROUTE), uri: 'sip:a SIP/2.0\r\nX: y' }],
    ['not a Request-URI', { ...options(ROUTE), uri: '' }],
    ['line break in the value of X-A', options(ROUTE, { 'X-A': 'a\r\nVia: b' })],
    ['line break in the value of X-A', options(ROUTE, { 'X-A': 'a\nVia: b' })],
    ['not a header name', options(ROUTE, { 'X-A: b\r\nX-B': 'c' })],
    ['more than drachtio takes', options(ROUTE, { 'X-A': 'ü'.repeat(6000) })],
    // What only the server knows:
    ['requested protocol/transport not available', options('sip:[::1]:5060;transport=tcp')],
    ['Error creating leg', options(ROUTE, { From: '<<<bad' })],
  ])('%s', async (why, request) => {
    const { server } = await connected();
    const refused = server.request(request, DEADLINE_MS);
    await expect(refused).rejects.toThrow(why);
    await expect(refused).rejects.toBeInstanceOf(Unavailable);
  });
});
