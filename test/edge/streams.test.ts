import { afterAll, describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { EdgeOptions, FarEnd } from '../../src/edge/index.ts';
import { HALF_OPEN_MS, IDLE_MS, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_SOURCE } from '../../src/edge/limits.ts';
import { ConnectionCount } from '../../src/edge/transports/connections.ts';
import { KeptBytes } from '../../src/edge/transports/kept-bytes.ts';
import { RecordingLogger } from '../support/logger.ts';
import {
  authority,
  isSecure,
  openStream,
  STREAMS,
  type StreamProtocol,
  serverCertificate,
  serverTls,
} from './stream-peers.ts';
import {
  Inbox,
  ManualClock,
  portOf,
  RawApp,
  request,
  startTestEdge,
  TcpPeer,
  textOf,
  transactionOf,
} from './support.ts';

const cleaner = new AsyncDisposableStack();
afterAll(() => cleaner.disposeAsync());

/** What every stream transport does alike. */
describe.each(STREAMS)('%s', (proto) => {
  const message = (method = 'OPTIONS', extra = '') => request(method, `${proto.toUpperCase()} 127.0.0.1`, { extra });

  async function start(options: Partial<EdgeOptions> = {}, hosts = ['127.0.0.1']) {
    const listen = hosts.map((host) => ({ proto, host, port: 0 }));
    const edge = await startTestEdge({ listen, tls: serverTls(), ...options });
    cleaner.defer(() => edge.stop());
    const open = async (host = '127.0.0.1', localAddress?: string) =>
      cleaner.use(
        await openStream(proto, portOf(edge, proto, host.includes(':') ? `[${host}]` : host), host, localAddress),
      );
    return { edge, open };
  }

  test('the answer goes back over the connection of the request, told as drachtio tells it', async () => {
    const { edge, open } = await start();
    const app = cleaner.use(await RawApp.ready(edge, 'options'));
    const phones = [await open(), await open()];
    for (const phone of phones) phone.send(message());
    for (const frame of [await app.next(), await app.next()]) {
      const reply = await app.ask(`sip|${transactionOf(frame)}|\r\nSIP/2.0 200 OK\r\n\r\n`);
      const [, , , , told, address, port] = frame.split('|');
      expect(told).toBe(isSecure(proto) ? 'tls' : 'tcp');
      expect(address).toBe('127.0.0.1');
      const phone = phones.find((p) => String(p.port) === port);
      expect(await phone?.next()).toBe(textOf(reply));
    }
  });

  test('several listeners, IPv6 among them', async () => {
    const { edge, open } = await start({}, ['127.0.0.1', '127.0.0.2', '::1']);
    const app = cleaner.use(await RawApp.ready(edge, 'options'));
    for (const host of ['127.0.0.1', '127.0.0.2', '::1']) {
      const phone = await open(host);
      phone.send(message());
      const frame = await app.next();
      expect(frame.split('|').slice(5, 7)).toEqual([host === '::1' ? '::1' : phone.address, String(phone.port)]);
      expect(frame.split('|')[10]).toBe(host);
      await app.ask(`sip|${transactionOf(frame)}|\r\nSIP/2.0 200 OK\r\n\r\n`);
      expect(await phone.next()).toStartWith('SIP/2.0 200 OK\r\n');
    }
  });

  test('the external address is announced', async () => {
    const { edge } = await start({ externalIp: '192.0.2.7' });
    expect(edge.hostports).toMatch(new RegExp(`^${proto}/192\\.0\\.2\\.7:\\d+$`));
    expect(edge.localHostports).toMatch(new RegExp(`^${proto}/127\\.0\\.0\\.1:\\d+$`));
  });

  test('the external address is in Via and From of what goes out', async () => {
    const { edge, open } = await start({ externalIp: '192.0.2.7' });
    const app = cleaner.use(await RawApp.ready(edge));
    const phone = await open();
    phone.send('\r\n\r\n');
    await phone.next();
    await app.ask(`sip|||sip:127.0.0.1:${phone.port};transport=${proto}\r\nOPTIONS sip:127.0.0.1 SIP/2.0\r\n\r\n`);
    const text = await phone.next();
    const own = `192.0.2.7:${portOf(edge, proto)}`;
    expect(text).toContain(`\r\nVia: SIP/2.0/${proto.toUpperCase()} ${own};branch=`);
    expect(text).toContain(`\r\nFrom: <sip:${own};transport=${proto}>;tag=`);
  });

  test('with several listeners, what goes to a phone takes the one that it is connected to', async () => {
    const { edge, open } = await start({}, ['127.0.0.1', '127.0.0.2']);
    const app = cleaner.use(await RawApp.ready(edge));
    for (const host of ['127.0.0.2', '127.0.0.1']) {
      const phone = await open(host);
      phone.send('\r\n\r\n');
      await phone.next();
      await app.ask(
        `sip|||sip:${phone.address}:${phone.port};transport=${proto}\r\nOPTIONS sip:127.0.0.1 SIP/2.0\r\n\r\n`,
      );
      expect(await phone.next()).toContain(`\r\nVia: SIP/2.0/${proto.toUpperCase()} ${host}:`);
    }
  });

  test('a double CRLF is answered with one (RFC 5626)', async () => {
    const { open } = await start();
    const phone = await open();
    phone.send('\r\n\r\n');
    expect(await phone.next()).toBe('\r\n');
  });

  test('400 for what can be answered, and the connection goes on', async () => {
    const { edge, open } = await start();
    const phone = await open();
    phone.send(message().replace('CSeq: 1 OPTIONS', 'CSeq: 1 INVITE'));
    expect(await phone.next()).toStartWith('SIP/2.0 400 Bad Request - CSeq Method Mismatch\r\n');
    phone.send(message());
    expect(await phone.next()).toStartWith('SIP/2.0 503 ');
    expect(edge.counters.malformed).toBe(1);
  });

  test('a message that has begun must be complete within 10 s, however busily its bytes drip', async () => {
    const clock = new ManualClock();
    const { open } = await start({ clock });
    const [slow, busy] = [await open(), await open()];
    // A keep-alive after each piece would spoil the message; one on another connection shows that the edge has read on.
    const settled = async () => {
      const probe = await open();
      probe.send('\r\n\r\n');
      await probe.next();
    };
    const [begin = '', more = ''] = slow.pieces(message());
    slow.socket.write(begin);
    busy.send(message());
    await busy.next('503, as there is no app');
    await settled();
    clock.advance(HALF_OPEN_MS - 1);
    slow.socket.write(more);
    busy.send('\r\n\r\n');
    await busy.next();
    await settled();
    clock.advance(1);
    await slow.closed;
    busy.send('\r\n\r\n');
    expect(await busy.next()).toBe('\r\n');
  });

  test('an idle connection ends after 15 minutes, a keep-alive starts them anew', async () => {
    const clock = new ManualClock();
    const { open } = await start({ clock });
    const phone = await open();
    const ping = async () => {
      phone.send('\r\n\r\n');
      await phone.next();
    };
    await ping();
    clock.advance(IDLE_MS - 1);
    await ping();
    clock.advance(IDLE_MS - 1);
    await ping();
    clock.advance(IDLE_MS);
    await phone.closed;
  });

  test('an idle connection stays as long as it is needed; one that only listened never is', async () => {
    const clock = new ManualClock();
    const asked: FarEnd[] = [];
    let needed = true;
    const connectionNeeded = (connection: FarEnd) => {
      asked.push(connection);
      return needed;
    };
    const { edge, open } = await start({ clock, connectionNeeded });
    const listener = await open();
    listener.send('\r\n\r\n');
    await listener.next();
    const phone = await open();
    phone.send(message('INVITE'));
    await phone.next();
    for (let i = 0; i < 4; i++) clock.advance(IDLE_MS);
    await listener.closed;
    phone.send('\r\n\r\n');
    await phone.next();
    const farEnd = { protocol: proto, address: '127.0.0.1', port: phone.port };
    expect(asked).toEqual(new Array(4).fill(farEnd));
    expect(edge.isConnected('127.0.0.1', phone.port)).toBe(true);
    needed = false;
    clock.advance(IDLE_MS);
    await phone.closed;
    expect(edge.isConnected('127.0.0.1', phone.port)).toBe(false);
  });

  test('the bound of connections: the one too many is closed, the others go on', async () => {
    const { edge, open } = await start({ limits: { connections: 2 } });
    const [first, second] = [await open(), await open()];
    const dropped = edge.counters.dropped;
    const third = await openStream(proto, portOf(edge, proto)).catch(() => undefined);
    await third?.closed;
    expect(edge.counters.dropped).toBe(dropped + 1);
    for (const phone of [first, second]) {
      phone.send('\r\n\r\n');
      expect(await phone.next()).toBe('\r\n');
    }
    // A place that is free again is given away again, once the edge has seen the end.
    first.socket.end();
    await first.closed;
    second.send('\r\n\r\n');
    await second.next();
    const fourth = await open();
    fourth.send('\r\n\r\n');
    expect(await fourth.next()).toBe('\r\n');
  });

  test('the bound per source', async () => {
    const logger = new RecordingLogger();
    const { edge, open } = await start({ limits: { perSource: 2, exempt: () => false }, logger });
    await open('127.0.0.1', '127.0.0.8');
    await open('127.0.0.1', '127.0.0.8');
    for (let i = 1; i <= 3; i++) {
      const more = await openStream(proto, portOf(edge, proto), '127.0.0.1', '127.0.0.8').catch(() => undefined);
      await more?.closed;
      expect(edge.counters.dropped).toBe(i);
    }
    const warning = { from: '127.0.0.8', why: 'too many connections from there' };
    expect(logger.lines.filter((l) => l.level === 'warn').map((l) => l.fields)).toEqual([warning]);
    const neighbour = await open('127.0.0.1', '127.0.0.9');
    neighbour.send('\r\n\r\n');
    expect(await neighbour.next()).toBe('\r\n');
  });

  test('loopback is exempt from the bound per source', async () => {
    const { open } = await start();
    const phones = await Promise.all(Array.from({ length: MAX_CONNECTIONS_PER_SOURCE + 5 }, () => open()));
    for (const phone of phones) phone.send('\r\n\r\n');
    for (const phone of phones) expect(await phone.next()).toBe('\r\n');
  });

  test('a peer that does not read is disconnected', async () => {
    const disconnected = Promise.withResolvers<void>();
    const { edge, open } = await start({ connectionClosed: () => disconnected.resolve() });
    const phone = await open();
    phone.socket.pause();
    const burst = Buffer.concat(Array.from({ length: 200 }, () => phone.encode(message('INVITE'))));
    // Answers of 405 pile up; neither the kernel's buffers nor ours are endless.
    let gone = false;
    void disconnected.promise.then(() => {
      gone = true;
    });
    while (!gone && edge.counters.refused < 200_000) {
      if (phone.socket.write(burst)) continue;
      await Promise.race([once(phone.socket, 'drain').catch(() => {}), disconnected.promise]);
    }
    await disconnected.promise;
    expect(edge.counters.refused).toBeLessThan(200_000);
  });

  test('whoever keeps us busy with nothing stops nobody else', async () => {
    const { open } = await start();
    const idler = await open();
    const NOTHINGS = 200_000;
    let back = 0;
    idler.socket.on('data', (chunk) => {
      back += (chunk as Buffer).length;
    });
    idler.socket.write(Buffer.concat(new Array<Buffer>(NOTHINGS).fill(Buffer.from(idler.encode('\r\n\r\n')))));
    // The edge runs in this process: as long as it is at work, nobody else is.
    let longest = 0;
    for (let last = performance.now(); back < 2 * NOTHINGS; ) {
      await new Promise((resolve) => setImmediate(resolve));
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
    }
    expect(longest).toBeLessThan(150);
  });

  test('nothing is left of connections that come, ask and go, however they go', async () => {
    const { edge, open } = await start();
    const app = cleaner.use(await RawApp.ready(edge, 'options'));
    for (let round = 0; round < 30; round++) {
      const phone = await open();
      const requests = Array.from({ length: 10 }, () => phone.encode(request('OPTIONS', 'TCP a.invalid')));
      phone.socket.write(
        Buffer.concat([...requests, phone.encode(request('OPTIONS', 'TCP b.invalid')).subarray(0, 99)]),
      );
      const frames = await Promise.all(requests.map(() => app.next()));
      const answer = (frame: string) => app.ask(`sip|${transactionOf(frame)}|\r\nSIP/2.0 200 OK\r\n\r\n`);
      if (round % 2 === 0) phone.socket.destroy();
      await Promise.all(frames.map(answer));
      phone.socket.destroy();
    }
    while (edge.holding.connections > 0) await new Promise((resolve) => setImmediate(resolve));
    const { requestsUnderWay, keptBytes } = edge.holding;
    expect({ requestsUnderWay, keptBytes }).toEqual({ requestsUnderWay: 0, keptBytes: 0 });
  });

  test('whoever ends with its request gets the answer of the edge first', async () => {
    const { open } = await start();
    const phone = await open();
    phone.socket.end(phone.encode(message('INVITE')));
    expect(await phone.next()).toStartWith('SIP/2.0 405 ');
  });

  describe('the end of a connection', () => {
    const watched = async () => {
      const ends = new Inbox<FarEnd>();
      return { ends, ...(await start({ connectionClosed: (connection) => ends.put(connection) })) };
    };

    test('is told: closed, or cut off', async () => {
      const { ends, open } = await watched();
      for (const end of ['end', 'destroy'] as const) {
        const phone = await open();
        phone.send(message());
        await phone.next();
        const { port } = phone;
        phone.socket[end]();
        expect(await ends.next('the end')).toEqual({ protocol: proto, address: '127.0.0.1', port });
      }
    });

    test('is not told when the edge stops', async () => {
      const { ends, open, edge } = await watched();
      const other = await open();
      other.send(message());
      await other.next();
      await edge.stop();
      await other.closed;
      expect(ends.size).toBe(0);
    });
  });
});

describe.each(['tcp', 'tls'] as const)('%s, opened by the edge', (proto: StreamProtocol) => {
  test('when the connection is gone, the answer takes another one to the port of sent-by (RFC 3261 18.2.2)', async () => {
    const listen = [{ proto, host: '127.0.0.1', port: 0 }] as const;
    const ends = new Inbox<FarEnd>();
    const edge = await startTestEdge({
      listen,
      tls: serverTls(),
      connectionClosed: (c) => ends.put(c),
    });
    cleaner.defer(() => edge.stop());
    const app = cleaner.use(await RawApp.ready(edge, 'options'));
    const listener = proto === 'tcp' ? createServer() : authority.server(serverCertificate());
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    cleaner.defer(() => void listener.close());
    const { port } = listener.address() as { port: number };

    const phone = await openStream(proto, portOf(edge, proto));
    phone.send(request('OPTIONS', `${proto.toUpperCase()} 127.0.0.1:${port}`));
    const frame = await app.next();
    phone.socket.destroy();
    await ends.next('the end of the connection');
    const arrived = once(listener, proto === 'tcp' ? 'connection' : 'secureConnection');
    await app.ask(`sip|${transactionOf(frame)}|\r\nSIP/2.0 200 OK\r\n\r\n`);
    const back = cleaner.use(new TcpPeer((await arrived)[0] as Socket));
    expect(await back.next()).toStartWith('SIP/2.0 200 OK\r\n');
  });

  test('whoever leaves before the answers makes us open no more connections than it may', async () => {
    const PER_SOURCE = 3;
    const listen = [{ proto, host: '127.0.0.1', port: 0 }] as const;
    const ends = new Inbox<FarEnd>();
    const limits = { perSource: PER_SOURCE, exempt: () => false };
    const edge = await startTestEdge({ listen, tls: serverTls(), limits, connectionClosed: (c) => ends.put(c) });
    cleaner.defer(() => edge.stop());
    const app = cleaner.use(await RawApp.ready(edge, 'options'));
    const phone = await openStream(proto, portOf(edge, proto));
    const frames: string[] = [];
    for (let port = 1; port <= 10; port++) {
      phone.send(request('OPTIONS', `${proto.toUpperCase()} 127.0.0.1:${port}`));
      frames.push(await app.next());
    }
    phone.socket.destroy();
    await ends.next('the end of the connection');
    let most = 0;
    for (const frame of frames) {
      await app.ask(`sip|${transactionOf(frame)}|\r\nSIP/2.0 200 OK\r\n\r\n`);
      most = Math.max(most, edge.holding.connections);
    }
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(PER_SOURCE);
  });
});

test('the edge stops though a client came twice from one port, to two addresses', async () => {
  const edge = await startTestEdge({ listen: [{ proto: 'tcp', host: '0.0.0.0', port: 0 }] });
  const port = Number(edge.localHostports.split(':').at(-1));
  const first = await openStream('tcp', port, '127.0.0.1', '127.0.0.1');
  cleaner.defer(() => void first.socket.destroy());
  const second = connect({ host: '127.0.0.2', port, localAddress: '127.0.0.1', localPort: first.port });
  cleaner.defer(() => void second.destroy());
  await once(second, 'connect');
  while (edge.holding.connections < 2) await new Promise((resolve) => setImmediate(resolve));
  const gone = [first.closed, once(second, 'close')];
  await edge.stop();
  await Promise.all(gone);
});

describe('what all connections keep', () => {
  test('is bounded: whoever keeps most is closed', () => {
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

  test.each(STREAMS)('%s: half messages', async (proto) => {
    const listen = [{ proto, host: '127.0.0.1', port: 0 }] as const;
    const edge = await startTestEdge({ listen, tls: serverTls(), limits: { keptBytes: 10_000 } });
    cleaner.defer(() => edge.stop());
    const half = async (bytes: number) => {
      const phone = cleaner.use(await openStream(proto, portOf(edge, proto)));
      const text = Buffer.from(phone.encode(request('OPTIONS', 'TCP a.invalid', { body: 'x'.repeat(20_000) })));
      phone.socket.write(text.subarray(0, bytes));
      return phone;
    };
    const patient = await half(3000);
    const greedy = await half(9000);
    await greedy.closed;
    patient.socket.end();
    await patient.closed;
  });
});

test('the bounds are counted over all transports', () => {
  const count = new ConnectionCount({ connections: 7, perSource: 3 });
  for (let i = 0; i < 3; i++) expect(count.accepted('192.0.2.1')).toBeUndefined();
  expect(count.accepted('192.0.2.1')).toBe('too many connections from there');
  // What we have opened ourselves is nobody's.
  expect(count.opened()).toBeUndefined();
  for (let i = 0; i < 3; i++) expect(count.accepted('192.0.2.2')).toBeUndefined();
  expect(count.accepted('192.0.2.3')).toBe('too many connections');
  expect(count.opened()).toBe('too many connections');
  count.ended('192.0.2.1');
  expect(count.accepted('192.0.2.1')).toBeUndefined();
  count.ended();
  expect(count.opened()).toBeUndefined();
});

test('an IPv6 source is all of its /64', () => {
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

test('the real figures: 10 000 in all, 20 from a source, loopback as many as there are', () => {
  const count = new ConnectionCount();
  for (let i = 0; i < MAX_CONNECTIONS_PER_SOURCE; i++) expect(count.accepted('2001:db8::1')).toBeUndefined();
  expect(count.accepted('2001:db8::1')).toBe('too many connections from there');
  for (let i = MAX_CONNECTIONS_PER_SOURCE; i < MAX_CONNECTIONS; i++) count.accepted('127.0.0.1');
  expect(count.accepted('127.0.0.1')).toBe('too many connections');
  expect([MAX_CONNECTIONS, MAX_CONNECTIONS_PER_SOURCE, IDLE_MS, HALF_OPEN_MS]).toEqual([10_000, 20, 900_000, 10_000]);
});
