import { afterEach, describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { cpSync, readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { CertificateError, type Edge, type EdgeOptions } from '../../src/edge/index.ts';
import { CONNECT_MS, HALF_OPEN_MS } from '../../src/edge/limits.ts';
import type { TestCertificate } from '../support/certificates.ts';
import { RecordingLogger } from '../support/logger.ts';
import { authority, openStream, serverCertificate, serverTls } from './stream-peers.ts';
import { Inbox, ManualClock, portOf, RawApp, request, startTestEdge, TcpPeer, textOf } from './support.ts';

let cleaner = new AsyncDisposableStack();
afterEach(async () => {
  await cleaner.disposeAsync();
  cleaner = new AsyncDisposableStack();
});

const LISTEN = [{ proto: 'tls', host: '127.0.0.1', port: 0 }] as const;

async function start(options: Partial<EdgeOptions> = {}): Promise<Edge> {
  return cleaner.adopt(await startTestEdge({ listen: LISTEN, tls: serverTls(), ...options }), (e) => e.stop());
}

async function dial(edge: Edge, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = tlsConnect({ host: '127.0.0.1', port: portOf(edge, 'tls'), ca: authority.ca, ...options });
  cleaner.defer(() => void socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

/** Where a renewal can overwrite it. */
function copyOf({ certFile, keyFile }: TestCertificate, name: string): TestCertificate {
  const copy = { certFile: authority.own.file(`${name}.pem`, ''), keyFile: authority.own.file(`${name}.key`, '') };
  cpSync(certFile, copy.certFile);
  cpSync(keyFile, copy.keyFile);
  return copy;
}

describe('clients of ours', () => {
  test.each(['sip.edge.test', 'anything.at.all.test'])('may ask for any name: %s', async (servername) => {
    const edge = await start();
    const socket = await dial(edge, { servername, checkServerIdentity: () => undefined });
    expect(socket.getPeerCertificate().subjectaltname).toContain('DNS:sip.edge.test');
  });

  test('get the certificate for the name they ask for, of several, and the first for any other', async () => {
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
    edge.reloadCertificates();
    expect(await shown('renewed.edge.test')).toBe('renewed.edge.test');
    expect(await shown('other.edge.test')).toBe('first.edge.test');
  });

  test('may speak TLS 1.2 and 1.3, and nothing older', async () => {
    const edge = await start();
    expect((await dial(edge, { maxVersion: 'TLSv1.2' })).getProtocol()).toBe('TLSv1.2');
    expect((await dial(edge)).getProtocol()).toBe('TLSv1.3');
    await expect(dial(edge, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' })).rejects.toThrow();
  });

  test.each([
    ['nothing', ''],
    ['the beginning of a handshake', Buffer.from('1603010200010001fc0303', 'hex')],
  ])('have 10 s for the handshake: %s', async (_what, bytes) => {
    const clock = new ManualClock();
    const edge = await start({ clock });
    const slow = connect({ host: '127.0.0.1', port: portOf(edge, 'tls') });
    cleaner.defer(() => void slow.destroy());
    await once(slow, 'connect');
    if (bytes.length > 0) slow.write(bytes);
    const ended = once(slow, 'close');
    // Whoever comes later is served later: then the slow one has been accepted.
    const other = cleaner.use(await openStream('tls', portOf(edge, 'tls')));
    clock.advance(HALF_OPEN_MS - 1);
    other.send('\r\n\r\n');
    expect(await other.next()).toBe('\r\n');
    expect(edge.counters.dropped).toBe(0);
    clock.advance(1);
    await ended;
    other.send('\r\n\r\n');
    expect(await other.next()).toBe('\r\n');
    expect(edge.counters.dropped).toBe(1);
  });

  test('that speak no TLS are disconnected', async () => {
    const edge = await start();
    const plain = connect({ host: '127.0.0.1', port: portOf(edge, 'tls') });
    plain.resume();
    await once(plain, 'connect');
    plain.write(request('OPTIONS', 'TCP 127.0.0.1'));
    await once(plain, 'close');
    expect(edge.counters.requests).toBe(0);
    await dial(edge);
  });
});

describe('the certificate', () => {
  test('can be renewed: open connections go on, new ones see the new one', async () => {
    const files = copyOf(authority.own.certificate(['old.edge.test'], ['127.0.0.1']), 'renewed');
    const edge = await start({ tls: { certificates: [files] } });
    const before = await dial(edge);
    const phone = cleaner.use(new TcpPeer(before));
    expect(before.getPeerCertificate().subjectaltname).toContain('old.edge.test');

    copyOf(authority.own.certificate(['new.edge.test'], ['127.0.0.1']), 'renewed');
    edge.reloadCertificates();
    expect((await dial(edge)).getPeerCertificate().subjectaltname).toContain('new.edge.test');
    await expect(dial(edge, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' })).rejects.toThrow();
    phone.send('\r\n\r\n');
    expect(await phone.next()).toBe('\r\n');
  });

  test('stays when the new one cannot be used', async () => {
    const files = copyOf(authority.own.certificate(['old.edge.test'], ['127.0.0.1']), 'spoilt');
    const edge = await start({ tls: { certificates: [files] } });
    authority.own.file('spoilt.pem', 'no certificate');
    expect(() => edge.reloadCertificates()).toThrow(CertificateError);
    expect((await dial(edge)).getPeerCertificate().subjectaltname).toContain('old.edge.test');
  });

  test('of nobody: TLS cannot be listened on', async () => {
    await expect(startTestEdge({ listen: LISTEN })).rejects.toThrow('tls and wss need a certificate and its key');
  });

  test.each([
    [
      'another key',
      () => ({ ...serverCertificate(), keyFile: authority.own.certificate(['x.test']).keyFile }),
      'do not go',
    ],
    ['no file', () => ({ ...serverCertificate(), certFile: '/nowhere/a.pem' }), '/nowhere/a.pem cannot be read'],
  ])('with %s: an error says so, and nothing stays open', async (_what, tls, why) => {
    const started = startTestEdge({ listen: LISTEN, tls: { certificates: [tls()] } });
    expect(await started.catch((error) => error)).toBeInstanceOf(CertificateError);
    await expect(started).rejects.toThrow(why);
  });

  test('without TLS there is nothing to renew', async () => {
    const edge = cleaner.adopt(await startTestEdge(), (e) => e.stop());
    edge.reloadCertificates();
  });
});

describe('servers that we connect to', () => {
  let made: TestCertificate | undefined;
  const GATEWAY = () => {
    made ??= authority.own.certificate(['sip.gateway.test', 'other.gateway.test'], ['127.0.0.1']);
    return made;
  };

  /** A gateway, and an app of an edge that sends requests to it. */
  async function setUp(
    tls: Partial<NonNullable<EdgeOptions['tls']>> = {},
    certificate = GATEWAY(),
    options: object = {},
  ) {
    const logger = new RecordingLogger();
    const edge = await start({ tls: { ...serverTls(), ...tls }, logger });
    const app = cleaner.use(await RawApp.ready(edge, 'options'));
    const server = authority.server(certificate, options).listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleaner.defer(() => void server.close());
    const received = new Inbox<{ peer: TcpPeer; servername: unknown }>();
    server.on('secureConnection', (socket: TLSSocket) =>
      received.put({ peer: cleaner.use(new TcpPeer(socket)), servername: socket.servername }),
    );
    const { port } = server.address() as AddressInfo;
    const send = (uri: string, to = port) =>
      app.ask(`sip|||sip:127.0.0.1:${to};transport=tls\r\nOPTIONS ${uri} SIP/2.0\r\n\r\n`);
    return { edge, app, received, send, logger };
  }

  test.each([
    ['the name of the Request-URI', 'sip:sip.gateway.test', 'sip.gateway.test'],
    ['the address, when the Request-URI has no name', 'sip:127.0.0.1', false],
  ])('prove %s', async (_what, uri, servername) => {
    const { app, received, send } = await setUp();
    expect(await send(uri)).toContain('|OK|application|');
    const gateway = await received.next('a connection');
    expect(gateway.servername).toBe(servername);
    const text = await gateway.peer.next();
    expect(text).toStartWith(`OPTIONS ${uri} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:`);
    gateway.peer.send(`SIP/2.0 200 OK\r\n${text.slice(text.indexOf('\r\n') + 2)}`);
    const answer = await app.next();
    expect(answer.split('|')[4]).toBe('tls');
    expect(textOf(answer)).toStartWith('SIP/2.0 200 OK\r\n');
  });

  test.each([
    ['another name', 'sip:sip.stranger.test', GATEWAY],
    [
      'a name, though they could prove the address',
      'sip:sip.stranger.test',
      () => authority.own.certificate([], ['127.0.0.1']),
    ],
    [
      'an address, though they could prove a name',
      'sip:127.0.0.1',
      () => authority.own.certificate(['sip.gateway.test']),
    ],
  ])('that cannot prove %s get nothing, the app gets 503', async (_what, uri, certificate) => {
    const { app, received, send, logger } = await setUp({}, certificate());
    await send(uri);
    expect(textOf(await app.next())).toStartWith('SIP/2.0 503 ');
    expect(received.size).toBe(0);
    const why = expect.stringMatching(/does not match certificate's altnames/);
    const to = { protocol: 'tls', address: '127.0.0.1', port: expect.any(Number) };
    expect(logger.lines).toContainEqual({ level: 'info', fields: { to, why }, message: 'no connection' });
  });

  test('of an authority that we do not believe get nothing', async () => {
    const { app, received, send } = await setUp({ ca: readFileSync(authority.stranger.caFile, 'utf8') });
    await send('sip:sip.gateway.test');
    expect(textOf(await app.next())).toStartWith('SIP/2.0 503 ');
    expect(received.size).toBe(0);
  });

  test('that speak nothing newer than TLS 1.1 get nothing', async () => {
    const { app, received, send } = await setUp({}, GATEWAY(), { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' });
    await send('sip:sip.gateway.test');
    expect(textOf(await app.next())).toStartWith('SIP/2.0 503 ');
    expect(received.size).toBe(0);
  });

  test('need prove nothing when they are not verified', async () => {
    const { received, send } = await setUp({ verify: false, ca: readFileSync(authority.stranger.caFile, 'utf8') });
    await send('sip:sip.stranger.test');
    expect(await (await received.next()).peer.next()).toStartWith('OPTIONS ');
  });

  test('keep their connection, one for each name that they have proved', async () => {
    const { received, send } = await setUp();
    await send('sip:sip.gateway.test');
    const first = await received.next();
    await first.peer.next();
    await send('sip:me@sip.gateway.test');
    expect(await first.peer.next()).toStartWith('OPTIONS sip:me@sip.gateway.test ');
    await send('sip:other.gateway.test');
    expect(await (await received.next()).peer.next()).toStartWith('OPTIONS sip:other.gateway.test ');
  });

  test('a phone is reached over the connection that it has opened, as its address alone', async () => {
    const { edge, app, send } = await setUp();
    const phone = cleaner.use(await openStream('tls', portOf(edge, 'tls')));
    phone.send('\r\n\r\n');
    await phone.next();
    await send('sip:phone@127.0.0.1', phone.port);
    expect(await phone.next()).toStartWith('OPTIONS sip:phone@127.0.0.1 ');
    // It has proved no name, and nobody else listens there.
    await send('sip:phone.test', phone.port);
    expect(textOf(await app.next())).toStartWith('SIP/2.0 503 ');
  });

  test('a closed port is a 503', async () => {
    const { app, send } = await setUp();
    await send('sip:127.0.0.1', 1);
    expect(textOf(await app.next())).toStartWith('SIP/2.0 503 ');
  });

  test('have 10 s for connection and handshake', async () => {
    const clock = new ManualClock();
    const edge = await start({ clock });
    const app = cleaner.use(await RawApp.ready(edge));
    const accepted = Promise.withResolvers<void>();
    const mute = Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: { data: () => accepted.resolve() },
    });
    cleaner.defer(() => mute.stop(true));
    await app.ask(`sip|||sip:127.0.0.1:${mute.port};transport=tls\r\nOPTIONS sip:a.test SIP/2.0\r\n\r\n`);
    await accepted.promise;
    clock.advance(10_000);
    expect(textOf(await app.next())).toStartWith('SIP/2.0 503 ');
  });

  test('and all of the 10 s: one that comes about in the last moment carries the request', async () => {
    const clock = new ManualClock();
    const edge = await start({ clock });
    const app = cleaner.use(await RawApp.ready(edge));
    const server = authority.server(GATEWAY()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleaner.defer(() => void server.close());
    const shaken = once(server, 'secureConnection');
    // What stands between: it takes connections, and lets nothing through until it is told to.
    const passing = Promise.withResolvers<void>();
    const taken = new Inbox<Socket>();
    const wall = createServer({ pauseOnConnect: true }, async (socket) => {
      cleaner.defer(() => void socket.destroy());
      taken.put(socket);
      await passing.promise;
      socket.pipe(connect((server.address() as AddressInfo).port, '127.0.0.1')).pipe(socket);
    }).listen(0, '127.0.0.1');
    await once(wall, 'listening');
    cleaner.defer(() => void wall.close());
    const { port } = wall.address() as AddressInfo;
    await app.ask(`sip|||sip:127.0.0.1:${port};transport=tls\r\nOPTIONS sip:sip.gateway.test SIP/2.0\r\n\r\n`);
    await taken.next('a connection');
    clock.advance(CONNECT_MS - 1);
    passing.resolve();
    const gateway = cleaner.use(new TcpPeer((await shaken)[0] as Socket));
    const text = await gateway.next();
    // Nor does the time for it go on once it is there.
    clock.advance(1);
    gateway.send(`SIP/2.0 200 OK\r\n${text.slice(text.indexOf('\r\n') + 2)}`);
    expect(textOf(await app.next())).toStartWith('SIP/2.0 200 OK\r\n');
  });
});
