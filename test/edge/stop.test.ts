import { expect, test } from 'bun:test';
import { Edge } from '../../src/edge/index.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import type { ConnectionPeer } from '../../src/ports/sip-server.ts';
import { request } from '../support/sip-request.ts';
import { ManualTimers, settle } from '../support/timers.ts';
import { openStream, STREAMS, type UdpPeer } from '../support/wire.ts';
import { datagramsRead, edgesAndPeers, portOf, serverTls, silent } from './support.ts';

const GRACE_MS = 5000;

const { cleaner, start, openUdp, openTcp } = edgesAndPeers();

function options(phone: UdpPeer, fields: Parameters<typeof request>[2] = {}): string {
  return request('OPTIONS', `UDP 127.0.0.1:${phone.port}`, fields);
}

test('stop waits for what is in progress by UDP, and answers it', async () => {
  const edge = await start();
  const phone = await openUdp(edge);
  phone.send(options(phone));
  const received = await edge.next();
  const stopped = edge.edge.stop(GRACE_MS);
  received.answer(200);
  await stopped;
  expect(await phone.next()).toStartWith('SIP/2.0 200 ');
});

test.each(STREAMS)('stop waits for what is in progress by %s, answers it, and ends the connection', async (proto) => {
  const listen = [{ proto, host: '127.0.0.1', port: 0 }] as const;
  const edge = await start({ listen, tls: serverTls() });
  const phone = cleaner.use(await openStream(proto, edge.port(proto)));
  for (let i = 0; i < 2; i++) phone.send(request('OPTIONS', `${proto.toUpperCase()} a.invalid`, { callId: `${i}` }));
  const received = [await edge.next(), await edge.next()];
  const stopped = edge.edge.stop(GRACE_MS);
  // One that is not answered any more.
  phone.send(request('OPTIONS', `${proto.toUpperCase()} a.invalid`));
  await datagramsRead();
  for (const { answer } of received) answer(200);
  await stopped;
  for (let i = 0; i < 2; i++) expect(await phone.next()).toMatch(new RegExp(`^SIP/2.0 200 .*^Call-ID: ${i}\r$`, 'ms'));
  await phone.closed;
  expect(phone.inbox.size).toBe(0);
  expect(edge.received.size).toBe(0);
});

test('stop gives no response at all to a new request, and answers what is in progress afterwards', async () => {
  const edge = await start();
  const phone = await openUdp(edge);
  phone.send(options(phone, { callId: 'first' }));
  const received = await edge.next();
  const stopped = edge.edge.stop(GRACE_MS);
  // One that a handler would answer, and one that the edge would refuse by itself.
  phone.send(options(phone));
  phone.send(request('INVITE', `UDP 127.0.0.1:${phone.port}`));
  await datagramsRead();
  received.answer(200);
  await stopped;
  expect(await phone.next()).toContain('\r\nCall-ID: first\r\n');
  await datagramsRead();
  expect(phone.inbox.size).toBe(0);
  expect(edge.received.size).toBe(0);
});

test('stop accepts no new connection while it waits', async () => {
  const edge = await start();
  const phone = await openUdp(edge);
  phone.send(options(phone));
  const received = await edge.next();
  const stopped = edge.edge.stop(GRACE_MS);
  await expect(openStream('tcp', edge.port('tcp'))).rejects.toThrow();
  received.answer(200);
  await stopped;
});

test('stop waits no longer than its grace for a handler that hangs', async () => {
  const timers = new ManualTimers();
  const edge = await start({ timers });
  const phone = await openTcp(edge);
  phone.send(request('OPTIONS', 'TCP a.invalid'));
  const received = await edge.next();
  let stopped = false;
  const stopping = edge.edge.stop(GRACE_MS).then(() => {
    stopped = true;
  });
  await timers.advanceAsync(GRACE_MS - 1);
  expect(stopped).toBe(false);
  timers.advance(1);
  await stopping;
  await phone.closed;
  // A late answer harms nobody.
  received.answer(200);
  await settle();
  expect(phone.inbox.size).toBe(0);
  expect(timers.pending).toBe(0);
});

test('stop leaves no timer of its grace behind', async () => {
  const timers = new ManualTimers();
  const edge = await start({ timers });
  const phone = await openUdp(edge);
  phone.send(options(phone));
  const received = await edge.next();
  const stopped = edge.edge.stop(GRACE_MS);
  received.answer(200);
  await stopped;
  expect(timers.pending).toBe(0);
});

test('stop while the edge begins to listen: it does not listen', async () => {
  const edge = new Edge({ listen: [{ proto: 'tcp', host: '127.0.0.1', port: 0 }], logger: silent });
  const connecting = edge.connect();
  await edge.stop(GRACE_MS);
  await connecting;
  expect(edge.connected).toBe(false);
  await expect(openStream('tcp', portOf(edge, 'tcp'))).rejects.toThrow();
});

test('stop waits for nothing when nothing is in progress', async () => {
  const edge = await start({ timers: new ManualTimers() });
  await edge.edge.stop(GRACE_MS);
});

test('stop ends every connection, frees every port, and reports no connection as ended', async () => {
  const edge = await start();
  const ended: ConnectionPeer[] = [];
  edge.edge.connections.onEnded((peer) => ended.push(peer));
  const phone = await openTcp(edge);
  phone.send(request('OPTIONS', 'TCP a.invalid'));
  await edge.answerNext();
  await phone.next();
  const port = edge.port('tcp');
  await edge.edge.stop(GRACE_MS);
  await phone.closed;
  await expect(openStream('tcp', port)).rejects.toThrow();
  expect(edge.edge.connected).toBe(false);
  expect(edge.edge.holding).toMatchObject({ connections: 0, serverTransactions: 0 });
  expect(ended).toEqual([]);
});

test('stop fails the requests that wait for a response, and sends no more', async () => {
  const edge = await start();
  const gateway = await openUdp(edge);
  const nextHop = { address: '127.0.0.1', port: gateway.port, transport: 'udp' } as const;
  const ask = () => edge.edge.request({ method: 'OPTIONS', uri: 'sip:127.0.0.1', nextHop, headers: {} }, 60_000);
  const asked = ask();
  await gateway.next();
  await edge.edge.stop(GRACE_MS);
  expect(await asked).toMatchObject({ status: 503, local: true });
  await expect(ask()).rejects.toThrow(new Unavailable('SIP server', 'not listening'));
  await datagramsRead();
  expect(gateway.inbox.size).toBe(0);
});
