import { describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { EdgeOptions } from '../../src/edge/index.ts';
import { HALF_OPEN_MS, IDLE_MS, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_SOURCE } from '../../src/edge/limits.ts';
import { ConnectionCount } from '../../src/edge/transports/connections.ts';
import { KeptBytes } from '../../src/edge/transports/kept-bytes.ts';
import type { ConnectionPeer } from '../../src/ports/sip-server.ts';
import { disposedAfterEach } from '../support/after-each.ts';
import { authority, serverCertificate } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { Inbox } from '../support/inbox.ts';
import { RecordingLogger } from '../support/logger.ts';
import { request, responseTo } from '../support/sip-request.ts';
import { ManualTimers, settle } from '../support/timers.ts';
import { isSecure, openStream, STREAMS, StreamPeer, type StreamProtocol } from '../support/wire.ts';
import { causesOf, serverTls, TestEdge } from './support.ts';

const DEADLINE_MS = 60_000;

const cleaner = disposedAfterEach();

/** An edge that listens by one protocol, the ends of its connections, and phones that connect to it. */
async function start(proto: StreamProtocol, options: Partial<EdgeOptions> = {}, hosts = ['127.0.0.1']) {
  const listen = hosts.map((host) => ({ proto, host, port: 0 }));
  const edge = await TestEdge.start({ listen, tls: serverTls(), ...options });
  cleaner.defer(() => edge.stop());
  const ends = new Inbox<ConnectionPeer>();
  edge.edge.connections.onEnded(({ address, port }) => ends.put({ address, port }));
  const open = async (host = '127.0.0.1', localAddress?: string) =>
    cleaner.use(await openStream(proto, edge.port(proto, host.includes(':') ? `[${host}]` : host), host, localAddress));
  return { edge, ends, open };
}

/** Resolves when the edge has read everything that the phone sent before. */
async function ping(phone: StreamPeer): Promise<void> {
  phone.send('\r\n\r\n');
  expect(await phone.next()).toBe('\r\n');
}

async function portOfServer(server: Server): Promise<number> {
  cleaner.defer(() => void server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

describe.each(STREAMS)('%s', (proto) => {
  const message = (method = 'OPTIONS') => request(method, `${proto.toUpperCase()} 127.0.0.1`);

  test('a response goes over the connection of its request, whose handler gets the source', async () => {
    const { edge, open } = await start(proto);
    const phones = [await open(), await open()];
    for (const phone of phones) phone.send(message());
    for (const received of [await edge.next(), await edge.next()]) {
      const { source, callId } = received.request;
      expect(source).toMatchObject({ transport: isSecure(proto) ? 'tls' : 'tcp', address: '127.0.0.1' });
      const phone = phones.find((p) => p.port === source.port);
      received.answer(200);
      const response = await phone?.next();
      expect(response).toStartWith('SIP/2.0 200 OK\r\n');
      expect(response).toContain(`\r\nCall-ID: ${callId}\r\n`);
    }
  });

  test('an edge has several listeners, IPv6 among them', async () => {
    const { edge, open } = await start(proto, {}, ['127.0.0.1', '127.0.0.2', '::1']);
    for (const host of ['127.0.0.1', '127.0.0.2', '::1']) {
      const phone = await open(host);
      phone.send(message());
      const { source } = await edge.answerNext();
      expect(source).toMatchObject({ address: host === '::1' ? '::1' : phone.address, port: phone.port });
      expect(await phone.next()).toStartWith('SIP/2.0 200 OK\r\n');
    }
  });

  test('the external address is announced', async () => {
    const { edge } = await start(proto, { externalIp: '192.0.2.7' });
    expect(edge.edge.hostports).toMatch(new RegExp(`^${proto}/192\\.0\\.2\\.7:\\d+$`));
    expect(edge.edge.localHostports).toMatch(new RegExp(`^${proto}/127\\.0\\.0\\.1:\\d+$`));
  });

  test('a double CRLF is answered with one CRLF (RFC 5626 3.5.1)', async () => {
    const { open } = await start(proto);
    const phone = await open();
    phone.send('\r\n\r\n');
    expect(await phone.next()).toBe('\r\n');
  });

  test('a malformed request is answered 400, and the connection goes on', async () => {
    const { edge, open } = await start(proto);
    const phone = await open();
    phone.send(message().replace('CSeq: 1 OPTIONS', 'CSeq: 1 INVITE'));
    expect(await phone.next()).toStartWith('SIP/2.0 400 Bad Request - CSeq Method Mismatch\r\n');
    phone.send(message());
    await edge.answerNext();
    expect(await phone.next()).toStartWith('SIP/2.0 200 ');
    expect(edge.edge.counters.malformed).toBe(1);
  });

  test('a message that has begun must be complete within 10 s, even if its bytes keep dripping', async () => {
    const timers = new ManualTimers();
    const { edge, open } = await start(proto, { timers });
    const slow = await open();
    const other = await open();
    const bytes = slow.encode(message());
    const [begin, more] = [bytes.subarray(0, 5), bytes.subarray(5, -1)];
    const read = (bytes: number) =>
      eventually(`the edge keeps ${bytes} bytes`, () => edge.edge.holding.keptBytes === bytes || undefined);
    slow.socket.write(begin);
    await read(begin.length);
    await ping(other);
    timers.advance(HALF_OPEN_MS - 1);
    slow.socket.write(more);
    await read(begin.length + more.length);
    await ping(other);
    timers.advance(1);
    await slow.closed;
    await ping(other);
  });

  test('an idle connection ends after 15 minutes, which a keep-alive restarts', async () => {
    const timers = new ManualTimers();
    const { open } = await start(proto, { timers });
    const phone = await open();
    await ping(phone);
    for (let i = 0; i < 2; i++) {
      timers.advance(IDLE_MS - 1);
      await ping(phone);
    }
    timers.advance(IDLE_MS);
    await phone.closed;
  });

  test('an idle connection stays open while it is needed, but not one that never carried a request', async () => {
    const timers = new ManualTimers();
    const { edge, open } = await start(proto, { timers });
    const { connections } = edge.edge;
    const candidates: ConnectionPeer[] = [];
    let needed = true;
    connections.keepWhile(({ address, port }) => {
      candidates.push({ address, port });
      return needed;
    });
    const silent = await open();
    await ping(silent);
    const phone = await open();
    phone.send(message('INVITE'));
    await phone.next('405');
    for (let i = 0; i < 4; i++) timers.advance(IDLE_MS);
    await silent.closed;
    await ping(phone);
    expect(candidates).toEqual(new Array(4).fill({ address: '127.0.0.1', port: phone.port }));
    expect(connections.isOpen('127.0.0.1', phone.port)).toBe(true);
    needed = false;
    timers.advance(IDLE_MS);
    await phone.closed;
    expect(connections.isOpen('127.0.0.1', phone.port)).toBe(false);
  });

  test('a connection that has ended is not asked about when its idle time is over', async () => {
    const timers = new ManualTimers();
    const { edge, ends, open } = await start(proto, { timers });
    let asked = 0;
    edge.edge.connections.keepWhile(() => ++asked > 0);
    const phone = await open();
    phone.send(message('INVITE'));
    await phone.next('405');
    phone.socket.destroy();
    await ends.next('the end of the connection');
    timers.advance(2 * IDLE_MS);
    expect(asked).toBe(0);
  });

  test('a connection that carried a request and then a response is still asked about', async () => {
    const timers = new ManualTimers();
    const { edge, open } = await start(proto, { timers });
    edge.edge.connections.keepWhile(() => true);
    const phone = await open();
    phone.send(message('INVITE'));
    await phone.next('405');
    phone.send(responseTo(message()));
    await ping(phone);
    timers.advance(2 * IDLE_MS);
    await ping(phone);
  });

  test('an unexpected error ends the connection that caused it and no other', async () => {
    const logger = new RecordingLogger();
    logger.debug = () => {
      throw new Error('broken');
    };
    const { edge, ends, open } = await start(proto, { logger });
    const other = await open();
    const phone = await open();
    const { port } = phone;
    // It is dropped, which is logged.
    phone.send(responseTo(message()));
    await phone.closed;
    expect(await ends.next('the end of the connection')).toMatchObject({ port });
    expect(logger.lines.map(({ level }) => level)).toEqual(['error']);
    await ping(other);
    expect(edge.edge.holding.connections).toBe(1);
  });

  test('a connection over the limit is closed, the others go on', async () => {
    const { edge, ends, open } = await start(proto, { limits: { connections: 2 } });
    const first = await open();
    const second = await open();
    const third = await openStream(proto, edge.port(proto)).catch(() => undefined);
    await third?.closed;
    expect(edge.edge.counters.dropped).toBe(1);
    expect(causesOf(edge.edge.drops)).toEqual({ 'not accepted': 1 });
    await ping(first);
    await ping(second);
    // A connection that ends makes room for another.
    first.socket.end();
    await ends.next('the end of the first connection');
    await ping(await open());
  });

  test('a source has a limit of its own', async () => {
    const logger = new RecordingLogger();
    const timers = new ManualTimers();
    const { edge, open } = await start(proto, { limits: { perSource: 2, exempt: () => false }, logger, timers });
    await open('127.0.0.1', '127.0.0.8');
    await open('127.0.0.1', '127.0.0.8');
    const refused = async () => {
      const more = await openStream(proto, edge.port(proto), '127.0.0.1', '127.0.0.8').catch(() => undefined);
      await more?.closed;
    };
    const warnings = () => logger.lines.filter((l) => l.level === 'warn').map((l) => l.fields);
    const warning = { from: '127.0.0.8', why: 'too many connections from there' };
    await refused();
    await refused();
    // One warning a minute.
    timers.advance(59_999);
    await refused();
    expect(edge.edge.counters.dropped).toBe(3);
    expect(warnings()).toEqual([warning]);
    timers.advance(1);
    await refused();
    expect(warnings()).toEqual([warning, warning]);
    await ping(await open('127.0.0.1', '127.0.0.9'));
  });

  test('loopback is exempt from the limit of a source', async () => {
    const { open } = await start(proto);
    const phones = await Promise.all(Array.from({ length: MAX_CONNECTIONS_PER_SOURCE + 5 }, () => open()));
    for (const phone of phones) await ping(phone);
  });

  test('a peer that does not read is disconnected', async () => {
    const { ends, open } = await start(proto);
    const phone = await open();
    phone.socket.pause();
    const burst = Buffer.concat(Array.from({ length: 200 }, () => phone.encode(message('INVITE'))));
    let ended = false;
    const end = ends.next('the end of the connection', 60_000).then(() => {
      ended = true;
    });
    // Responses of 405 pile up until the buffers of the kernel and of the edge are full.
    while (!ended) {
      if (!phone.socket.write(burst)) await Promise.race([once(phone.socket, 'drain').catch(() => {}), end]);
    }
  });

  test('a flood of keep-alives on one connection does not hold up another', async () => {
    const KEEP_ALIVES = 200_000;
    const { open } = await start(proto);
    const flooder = await open();
    const other = await open();
    let bytesBack = 0;
    flooder.socket.on('data', (chunk) => {
      bytesBack += chunk.length;
    });
    flooder.socket.write(Buffer.concat(new Array<Buffer>(KEEP_ALIVES).fill(Buffer.from(flooder.encode('\r\n\r\n')))));
    // The edge takes the flood in some fifty turns of the event loop or more; a ping takes two.
    let pings = 0;
    for (; bytesBack < 2 * KEEP_ALIVES; pings++) await ping(other);
    expect(pings).toBeGreaterThan(10);
  });

  test('nothing is kept of connections that ended, with or without responses on their way', async () => {
    const { edge, open } = await start(proto);
    for (let round = 0; round < 30; round++) {
      const phone = await open();
      const requests = Array.from({ length: 10 }, () => phone.encode(request('OPTIONS', 'TCP a.invalid:1')));
      const half = phone.encode(request('OPTIONS', 'TCP b.invalid:1')).subarray(0, 99);
      phone.socket.write(Buffer.concat([...requests, half]));
      const received = await Promise.all(requests.map(() => edge.next()));
      if (round % 2 === 0) phone.socket.destroy();
      for (const { answer } of received) answer(200);
      await settle();
      phone.socket.destroy();
    }
    await eventually('no connection is open', () => edge.edge.holding.connections === 0 || undefined);
    expect(edge.edge.holding).toMatchObject({ requestsUnderWay: 0, keptBytes: 0 });
  });

  test('a client that ends its side with a request still gets the response', async () => {
    const { open } = await start(proto);
    const phone = await open();
    phone.socket.end(phone.encode(message('INVITE')));
    expect(await phone.next()).toStartWith('SIP/2.0 405 ');
  });

  test.each(['end', 'destroy'] as const)('the end of a connection is reported, by %s of the client', async (how) => {
    const { ends, open } = await start(proto);
    const phone = await open();
    await ping(phone);
    const { port } = phone;
    phone.socket[how]();
    expect(await ends.next('the end of the connection')).toEqual({ address: '127.0.0.1', port });
  });

  test('the end of a connection is not reported when the edge stops', async () => {
    const { edge, ends, open } = await start(proto);
    const phone = await open();
    await ping(phone);
    await edge.stop();
    await phone.closed;
    expect(ends.size).toBe(0);
  });
});

describe.each(['tcp', 'tls'] as const)('%s: requests of the edge', (proto) => {
  const send = ({ edge }: TestEdge, address: string, port: number) => {
    const nextHop = { address, port, transport: proto };
    return edge.request({ method: 'OPTIONS', uri: 'sip:127.0.0.1', nextHop, headers: {} }, DEADLINE_MS);
  };

  test('name the external address in Via and From', async () => {
    const { edge, open } = await start(proto, { externalIp: '192.0.2.7' });
    const phone = await open();
    await ping(phone);
    const responded = send(edge, '127.0.0.1', phone.port);
    const text = await phone.next();
    const own = `192.0.2.7:${edge.port(proto)}`;
    expect(text).toContain(`\r\nVia: SIP/2.0/${proto.toUpperCase()} ${own};branch=`);
    expect(text).toContain(`\r\nFrom: <sip:${own};transport=${proto}>;tag=`);
    phone.send(responseTo(text));
    expect(await responded).toMatchObject({ status: 200, local: false });
  });

  test('take the listener that the phone is connected to', async () => {
    const { edge, open } = await start(proto, {}, ['127.0.0.1', '127.0.0.2']);
    for (const host of ['127.0.0.2', '127.0.0.1']) {
      const phone = await open(host);
      await ping(phone);
      const responded = send(edge, phone.address, phone.port);
      const text = await phone.next();
      expect(text).toContain(`\r\nVia: SIP/2.0/${proto.toUpperCase()} ${host}:`);
      phone.send(responseTo(text));
      expect(await responded).toMatchObject({ status: 200, local: false });
    }
  });
});

describe.each(['tcp', 'tls'] as const)('%s: a response whose connection has ended', (proto) => {
  const message = (port: number) => request('OPTIONS', `${proto.toUpperCase()} 127.0.0.1:${port}`);

  test('takes a new connection to the port of sent-by (RFC 3261 18.2.2)', async () => {
    const { edge, ends, open } = await start(proto);
    const listener = proto === 'tcp' ? createServer() : authority.server(serverCertificate());
    const port = await portOfServer(listener);
    const arrived = once(listener, proto === 'tcp' ? 'connection' : 'secureConnection');
    const phone = await open();
    phone.send(message(port));
    const { answer } = await edge.next();
    phone.socket.destroy();
    await ends.next('the end of the connection');
    answer(200);
    const back = cleaner.use(new StreamPeer((await arrived)[0] as Socket));
    expect(await back.next()).toStartWith('SIP/2.0 200 OK\r\n');
  });

  test('takes no new connection over the limit of its source', async () => {
    const PER_SOURCE = 3;
    const { edge, ends, open } = await start(proto, { limits: { perSource: PER_SOURCE, exempt: () => false } });
    const phone = await open();
    const received = [];
    const arrived = new Inbox<Socket>();
    for (let i = 0; i < PER_SOURCE + 2; i++) {
      const listener = createServer((socket) => arrived.put(socket));
      phone.send(message(await portOfServer(listener)));
      received.push(await edge.next());
    }
    phone.socket.destroy();
    await ends.next('the end of the connection');
    for (const { answer } of received) answer(200);
    await settle();
    expect(edge.edge.holding.connections).toBe(PER_SOURCE);
    // Those that end make room for others.
    for (let i = 0; i < PER_SOURCE; i++) (await arrived.next()).destroy();
    await eventually('no connection', () => (edge.edge.holding.connections === 0 ? true : undefined));
    await ping(await open());
  });
});

test('of two connections from one port to two addresses, the end of the earlier leaves the later open', async () => {
  const edge = await TestEdge.start({ listen: [{ proto: 'tcp', host: '0.0.0.0', port: 0 }] });
  cleaner.defer(() => edge.stop());
  const port = Number(edge.edge.localHostports.split(':').at(-1));
  const first = cleaner.use(await openStream('tcp', port, '127.0.0.1', '127.0.0.1'));
  const from = first.port;
  const second = connect({ host: '127.0.0.2', port, localAddress: '127.0.0.1', localPort: from });
  cleaner.defer(() => void second.destroy());
  await once(second, 'connect');
  await eventually('both are accepted', () => edge.edge.holding.connections === 2 || undefined);
  first.socket.destroy();
  await eventually('one is left', () => edge.edge.holding.connections === 1 || undefined);
  expect(edge.edge.connections.isOpen('127.0.0.1', from)).toBe(true);
});

test('the edge stops though a client connected twice from one port, to two addresses', async () => {
  const edge = await TestEdge.start({ listen: [{ proto: 'tcp', host: '0.0.0.0', port: 0 }] });
  cleaner.defer(() => edge.stop());
  const port = Number(edge.edge.localHostports.split(':').at(-1));
  const first = cleaner.use(await openStream('tcp', port, '127.0.0.1', '127.0.0.1'));
  const second = connect({ host: '127.0.0.2', port, localAddress: '127.0.0.1', localPort: first.port });
  cleaner.defer(() => void second.destroy());
  await once(second, 'connect');
  await eventually('both are accepted', () => edge.edge.holding.connections === 2 || undefined);
  const closed = once(second, 'close');
  await edge.stop();
  await first.closed;
  await closed;
});

describe('the bytes that all connections keep', () => {
  test('are bounded: the connection that keeps most is closed', () => {
    const closed: string[] = [];
    const keeper = (name: string) => ({ destroy: () => closed.push(name) });
    const [small, large, late] = [keeper('small'), keeper('large'), keeper('late')];
    const kept = new KeptBytes(100);
    kept.set(small, 30);
    kept.set(large, 70);
    expect(closed).toEqual([]);
    kept.set(late, 1);
    expect(closed).toEqual(['large']);
    kept.set(late, 70);
    expect(closed).toEqual(['large']);
    kept.forget(late);
    kept.set(large, 70);
    expect(closed).toEqual(['large']);
  });

  test.each(STREAMS)('%s: incomplete messages count', async (proto) => {
    const { open } = await start(proto, { limits: { keptBytes: 10_000 } });
    const openHalf = async (bytes: number) => {
      const phone = await open();
      const text = phone.encode(request('OPTIONS', 'TCP a.invalid', { body: 'x'.repeat(20_000) }));
      phone.socket.write(text.subarray(0, bytes));
      return phone;
    };
    const small = await openHalf(3000);
    const large = await openHalf(9000);
    await large.closed;
    small.socket.end();
    await small.closed;
  });
});

test('one count of connections holds for all transports', () => {
  const count = new ConnectionCount({ connections: 7, perSource: 3 });
  for (let i = 0; i < 3; i++) expect(count.accepted('192.0.2.1')).toBeUndefined();
  expect(count.accepted('192.0.2.1')).toBe('too many connections from there');
  // A connection that the edge opens counts for no source.
  expect(count.opened()).toBeUndefined();
  for (let i = 0; i < 3; i++) expect(count.accepted('192.0.2.2')).toBeUndefined();
  expect(count.accepted('192.0.2.3')).toBe('too many connections');
  expect(count.opened()).toBe('too many connections');
  count.ended('192.0.2.1');
  expect(count.accepted('192.0.2.1')).toBeUndefined();
  count.ended();
  expect(count.opened()).toBeUndefined();
});

test('a connection refused for the limit of all does not count for its source', () => {
  const count = new ConnectionCount({ connections: 1, perSource: 1, exempt: () => false });
  count.accepted('192.0.2.1');
  expect(count.accepted('192.0.2.2')).toBe('too many connections');
  count.ended('192.0.2.1');
  expect(count.accepted('192.0.2.2')).toBeUndefined();
});

test('an IPv6 source is its /64', () => {
  const count = new ConnectionCount({ perSource: 2 });
  expect(count.accepted('2001:db8:1:2::1')).toBeUndefined();
  expect(count.accepted('2001:db8:1:2:ffff::')).toBeUndefined();
  for (const same of ['2001:db8:1:2::3', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2:3::192.0.2.1'])
    expect(count.accepted(same)).toBe('too many connections from there');
  for (const other of ['2001:db8:1:3::1', '2001:db8::1', 'fe80::1', '::2', '192.0.2.1', '2001:db8:1::'])
    expect(count.accepted(other)).toBeUndefined();
  expect(count.accepted('2001:db8:0:0:9::')).toBeUndefined();
  expect(count.accepted('2001:db8::2:3')).toBe('too many connections from there');
  count.ended('2001:db8:1:2::1');
  expect(count.accepted('2001:db8:1:2::9')).toBeUndefined();
});

test('the default limits are 10 000 connections in all and 20 from a source, loopback exempt', () => {
  const count = new ConnectionCount();
  for (let i = 0; i < MAX_CONNECTIONS_PER_SOURCE; i++) expect(count.accepted('2001:db8::1')).toBeUndefined();
  expect(count.accepted('2001:db8::1')).toBe('too many connections from there');
  for (let i = MAX_CONNECTIONS_PER_SOURCE; i < MAX_CONNECTIONS; i++) count.accepted('127.0.0.1');
  expect(count.accepted('127.0.0.1')).toBe('too many connections');
  expect([MAX_CONNECTIONS, MAX_CONNECTIONS_PER_SOURCE, IDLE_MS, HALF_OPEN_MS]).toEqual([10_000, 20, 900_000, 10_000]);
});
