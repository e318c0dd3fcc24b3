import { describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { cpSync, readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  type TLSSocket,
  type TlsOptions as TlsServerOptions,
  connect as tlsConnect,
} from 'node:tls';
import { CertificateError, type EdgeOptions } from '../../src/edge/index.ts';
import { CONNECT_MS, HALF_OPEN_MS } from '../../src/edge/limits.ts';
import type { SipResponse } from '../../src/sip/message.ts';
import { disposedAfterEach } from '../support/after-each.ts';
import type { TestCertificate } from '../support/certificates.ts';
import { authority, serverCertificate } from '../support/certificates.ts';
import { Inbox } from '../support/inbox.ts';
import { request, responseTo } from '../support/sip-request.ts';
import { ManualTimers, settle } from '../support/timers.ts';
import { openStream, StreamPeer } from '../support/wire.ts';
import { serverTls, TestEdge } from './support.ts';

const cleaner = disposedAfterEach();

const LISTEN = [{ proto: 'tls', host: '127.0.0.1', port: 0 }] as const;

async function start(options: Partial<EdgeOptions> = {}): Promise<TestEdge> {
  return cleaner.adopt(await TestEdge.start({ listen: LISTEN, tls: serverTls(), ...options }), (e) => e.stop());
}

async function dial(edge: TestEdge, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = tlsConnect({ host: '127.0.0.1', port: edge.port('tls'), ca: authority.ca, ...options });
  cleaner.defer(() => void socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

/** A copy under a name of its own, which a later copy replaces. */
function copyOf({ certFile, keyFile }: TestCertificate, name: string): TestCertificate {
  const copy = { certFile: authority.own.file(`${name}.pem`, ''), keyFile: authority.own.file(`${name}.key`, '') };
  cpSync(certFile, copy.certFile);
  cpSync(keyFile, copy.keyFile);
  return copy;
}

describe('a client', () => {
  test.each(['sip.edge.test', 'anything.at.all.test'])('may ask for any name by SNI: %s', async (servername) => {
    const edge = await start();
    const socket = await dial(edge, { servername, checkServerIdentity: () => undefined });
    expect(socket.getPeerCertificate().subjectaltname).toContain('DNS:sip.edge.test');
  });

  test('gets the certificate for the name that it asks for, else the first', async () => {
    const own = (name: string) => authority.own.certificate([name], ['127.0.0.1']);
    const files = copyOf(own('other.edge.test'), 'several');
    const certificates = [own('first.edge.test'), files, own('*.many.edge.test')] as const;
    const edge = await start({ tls: { certificates } });
    const shown = async (servername?: string) => {
      const socket = await dial(edge, { checkServerIdentity: () => undefined, ...(servername && { servername }) });
      return /DNS:([^,]+)/.exec(socket.getPeerCertificate().subjectaltname ?? '')?.[1];
    };
    expect(await shown()).toBe('first.edge.test');
    expect(await shown('first.edge.test')).toBe('first.edge.test');
    expect(await shown('other.edge.test')).toBe('other.edge.test');
    expect(await shown('OTHER.edge.test')).toBe('other.edge.test');
    expect(await shown('a.many.edge.test')).toBe('*.many.edge.test');
    expect(await shown('a.b.many.edge.test')).toBe('first.edge.test');
    expect(await shown(`${'x'.repeat(63)}.`.repeat(3))).toBe('first.edge.test');
    await expect(dial(edge, { servername: 'other.edge.test', maxVersion: 'TLSv1.1' })).rejects.toThrow();

    copyOf(own('renewed.edge.test'), 'several');
    edge.edge.reloadCertificates();
    expect(await shown('renewed.edge.test')).toBe('renewed.edge.test');
    expect(await shown('other.edge.test')).toBe('first.edge.test');
  });

  test('may use TLS 1.2 and 1.3, nothing older', async () => {
    const edge = await start();
    expect((await dial(edge, { maxVersion: 'TLSv1.2' })).getProtocol()).toBe('TLSv1.2');
    expect((await dial(edge)).getProtocol()).toBe('TLSv1.3');
    await expect(dial(edge, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' })).rejects.toThrow();
  });

  test.each([
    ['nothing', ''],
    ['the beginning of a handshake', Buffer.from('1603010200010001fc0303', 'hex')],
  ])('has 10 s for the handshake: %s', async (_what, bytes) => {
    const timers = new ManualTimers();
    const edge = await start({ timers });
    const slow = connect({ host: '127.0.0.1', port: edge.port('tls') });
    cleaner.defer(() => void slow.destroy());
    await once(slow, 'connect');
    if (bytes.length > 0) slow.write(bytes);
    const ended = once(slow, 'close');
    // A later connection is accepted later: the slow one has been accepted before it.
    const other = cleaner.use(await openStream('tls', edge.port('tls')));
    timers.advance(HALF_OPEN_MS - 1);
    other.send('\r\n\r\n');
    expect(await other.next()).toBe('\r\n');
    expect(edge.edge.counters.dropped).toBe(0);
    timers.advance(1);
    await ended;
    other.send('\r\n\r\n');
    expect(await other.next()).toBe('\r\n');
    expect(edge.edge.counters.dropped).toBe(1);
  });

  test('that does not use TLS is disconnected', async () => {
    const edge = await start();
    const plain = connect({ host: '127.0.0.1', port: edge.port('tls') });
    plain.resume();
    await once(plain, 'connect');
    plain.write(request('OPTIONS', 'TCP 127.0.0.1'));
    await once(plain, 'close');
    expect(edge.edge.counters.requests).toBe(0);
    await dial(edge);
  });
});

describe('the certificate', () => {
  test('can be renewed: open connections go on, later ones get the new one', async () => {
    const files = copyOf(authority.own.certificate(['old.edge.test'], ['127.0.0.1']), 'renewed');
    const edge = await start({ tls: { certificates: [files] } });
    const before = await dial(edge);
    const phone = cleaner.use(new StreamPeer(before));
    expect(before.getPeerCertificate().subjectaltname).toContain('old.edge.test');

    copyOf(authority.own.certificate(['new.edge.test'], ['127.0.0.1']), 'renewed');
    edge.edge.reloadCertificates();
    expect((await dial(edge)).getPeerCertificate().subjectaltname).toContain('new.edge.test');
    await expect(dial(edge, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' })).rejects.toThrow();
    phone.send('\r\n\r\n');
    expect(await phone.next()).toBe('\r\n');
  });

  test('stays when the new one cannot be used', async () => {
    const files = copyOf(authority.own.certificate(['old.edge.test'], ['127.0.0.1']), 'spoilt');
    const edge = await start({ tls: { certificates: [files] } });
    authority.own.file('spoilt.pem', 'no certificate');
    expect(() => edge.edge.reloadCertificates()).toThrow(CertificateError);
    expect((await dial(edge)).getPeerCertificate().subjectaltname).toContain('old.edge.test');
  });

  test('is required to listen by TLS', async () => {
    await expect(TestEdge.start({ listen: LISTEN })).rejects.toThrow('tls and wss need a certificate and its key');
  });

  test.each([
    [
      'another key',
      () => ({ ...serverCertificate(), keyFile: authority.own.certificate(['x.test']).keyFile }),
      'do not go',
    ],
    ['no file', () => ({ ...serverCertificate(), certFile: '/nowhere/a.pem' }), '/nowhere/a.pem cannot be read'],
  ])('with %s: the error says so', async (_what, tls, why) => {
    const started = TestEdge.start({ listen: LISTEN, tls: { certificates: [tls()] } });
    expect(await started.catch((error) => error)).toBeInstanceOf(CertificateError);
    await expect(started).rejects.toThrow(why);
  });

  test('need not be renewed without TLS', async () => {
    const edge = cleaner.adopt(await TestEdge.start(), (e) => e.stop());
    edge.edge.reloadCertificates();
  });
});

describe('a server that the edge connects to', () => {
  const DEADLINE_MS = 60_000;
  let made: TestCertificate | undefined;
  const gatewayCertificate = () => {
    made ??= authority.own.certificate(['sip.gateway.test', 'other.gateway.test'], ['127.0.0.1']);
    return made;
  };

  function send({ edge }: TestEdge, uri: string, port: number): Promise<SipResponse> {
    const nextHop = { address: '127.0.0.1', port, transport: 'tls' } as const;
    return edge.request({ method: 'OPTIONS', uri, nextHop, headers: {} }, DEADLINE_MS);
  }

  async function listening(server: Server): Promise<number> {
    cleaner.defer(() => void server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  /** An edge, and a server that sends no response by itself. */
  async function setUp(
    tls: Partial<NonNullable<EdgeOptions['tls']>> = {},
    certificate = gatewayCertificate(),
    options: TlsServerOptions = {},
  ) {
    const edge = await start({ tls: { ...serverTls(), ...tls } });
    const server = authority.server(certificate, options);
    const received = new Inbox<{ peer: StreamPeer; servername: unknown }>();
    server.on('secureConnection', (socket: TLSSocket) =>
      received.put({ peer: cleaner.use(new StreamPeer(socket)), servername: socket.servername }),
    );
    const port = await listening(server);
    return { edge, received, port };
  }

  test.each([
    ['the name of the Request-URI', 'sip:sip.gateway.test', 'sip.gateway.test'],
    ['its address, when the Request-URI has no name', 'sip:127.0.0.1', false],
  ])('proves %s and gets the request', async (_what, uri, servername) => {
    const { edge, received, port } = await setUp();
    const responded = send(edge, uri, port);
    const connection = await received.next('a connection');
    expect(connection.servername).toBe(servername);
    const text = await connection.peer.next();
    expect(text).toStartWith(`OPTIONS ${uri} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:`);
    connection.peer.send(responseTo(text));
    expect(await responded).toMatchObject({ status: 200, local: false });
  });

  test.each([
    ['the name', 'sip:sip.stranger.test', gatewayCertificate],
    ['the name, only its address', 'sip:sip.stranger.test', () => authority.own.certificate([], ['127.0.0.1'])],
    ['its address, only a name', 'sip:127.0.0.1', () => authority.own.certificate(['sip.gateway.test'])],
  ])('that does not prove %s gets nothing: 503', async (_what, uri, certificate) => {
    const { edge, received, port } = await setUp({}, certificate());
    expect(await send(edge, uri, port)).toMatchObject({ status: 503, local: true });
    expect(received.size).toBe(0);
  });

  test('with a certificate of an untrusted authority gets nothing: 503', async () => {
    const { edge, received, port } = await setUp({ ca: readFileSync(authority.stranger.caFile, 'utf8') });
    expect(await send(edge, 'sip:sip.gateway.test', port)).toMatchObject({ status: 503, local: true });
    expect(received.size).toBe(0);
  });

  test('with nothing newer than TLS 1.1 gets nothing: 503', async () => {
    const { edge, received, port } = await setUp({}, gatewayCertificate(), {
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
    });
    expect(await send(edge, 'sip:sip.gateway.test', port)).toMatchObject({ status: 503, local: true });
    expect(received.size).toBe(0);
  });

  test('need not prove anything when servers are not verified', async () => {
    const ca = readFileSync(authority.stranger.caFile, 'utf8');
    const { edge, received, port } = await setUp({ verify: false, ca });
    const responded = send(edge, 'sip:sip.stranger.test', port);
    const { peer } = await received.next('a connection');
    peer.send(responseTo(await peer.next()));
    expect(await responded).toMatchObject({ status: 200, local: false });
  });

  test('keeps one connection for each name that it has proved', async () => {
    const { edge, received, port } = await setUp();
    const exchange = async (uri: string, peer?: StreamPeer) => {
      const responded = send(edge, uri, port);
      const over = peer ?? (await received.next('a connection')).peer;
      const text = await over.next();
      expect(text).toStartWith(`OPTIONS ${uri} SIP/2.0\r\n`);
      over.send(responseTo(text));
      expect(await responded).toMatchObject({ status: 200, local: false });
      return over;
    };
    const first = await exchange('sip:sip.gateway.test');
    await exchange('sip:me@sip.gateway.test', first);
    await exchange('sip:other.gateway.test');
    expect(received.size).toBe(0);
  });

  test('may be a phone, over the connection that it opened, under its address only', async () => {
    const edge = await start();
    const phone = cleaner.use(await openStream('tls', edge.port('tls')));
    phone.send('\r\n\r\n');
    await phone.next();
    const responded = send(edge, 'sip:phone@127.0.0.1', phone.port);
    const text = await phone.next();
    expect(text).toStartWith('OPTIONS sip:phone@127.0.0.1 ');
    phone.send(responseTo(text));
    expect(await responded).toMatchObject({ status: 200, local: false });
    // The phone has proved no name, so that this takes a new connection, to a port that nothing listens on.
    expect(await send(edge, 'sip:phone.test', phone.port)).toMatchObject({ status: 503, local: true });
  });

  test('that does not listen: 503', async () => {
    const why = 'connection refused';
    expect(await send(await start(), 'sip:127.0.0.1', 1)).toMatchObject({ status: 503, local: true, why });
  });

  test('has 10 s for connection and handshake', async () => {
    const timers = new ManualTimers();
    const edge = await start({ timers });
    const accepted = Promise.withResolvers<void>();
    const mute = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: () => accepted.resolve() } });
    cleaner.defer(() => mute.stop(true));
    let response: SipResponse | undefined;
    const responded = send(edge, 'sip:a.test', mute.port).then((r) => {
      response = r;
    });
    await accepted.promise;
    timers.advance(CONNECT_MS - 1);
    await settle();
    expect(response).toBeUndefined();
    timers.advance(1);
    await responded;
    expect(response).toMatchObject({ status: 503, local: true, why: 'connection timed out' });
    expect(CONNECT_MS).toBe(10_000);
  });

  test('gets the request when it completes the handshake at the end of the 10 s', async () => {
    const timers = new ManualTimers();
    const edge = await start({ timers });
    const server = authority.server(gatewayCertificate());
    const secured = once(server, 'secureConnection');
    const serverPort = await listening(server);
    // A proxy that accepts connections and holds everything back until the test lets it pass.
    const pass = Promise.withResolvers<void>();
    const accepted = new Inbox<Socket>();
    const proxy = createServer({ pauseOnConnect: true }, async (socket) => {
      cleaner.defer(() => void socket.destroy());
      accepted.put(socket);
      await pass.promise;
      socket.pipe(connect(serverPort, '127.0.0.1')).pipe(socket);
    });
    const responded = send(edge, 'sip:sip.gateway.test', await listening(proxy));
    await accepted.next('a connection');
    timers.advance(CONNECT_MS - 1);
    pass.resolve();
    const peer = cleaner.use(new StreamPeer((await secured)[0] as Socket));
    const text = await peer.next();
    // The limit no longer holds once the connection is established.
    timers.advance(1);
    peer.send(responseTo(text));
    expect(await responded).toMatchObject({ status: 200, local: false });
  });
});
