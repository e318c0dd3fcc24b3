import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TlsOptions as TlsServerOptions } from 'node:tls';
import { Edge, type EdgeOptions, type Listener, type TlsOptions } from '../../src/edge/index.ts';
import type { Screen, SipAnswer } from '../../src/ports/sip-server.ts';
import type { SipRequest } from '../../src/sip/message.ts';
import { disposedAfterEach } from '../support/after-each.ts';
import { authority, serverCertificate, type TestCertificate } from '../support/certificates.ts';
import { Inbox } from '../support/inbox.ts';
import { openStream, StreamPeer, UdpPeer } from '../support/wire.ts';

export const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** A request that waits for a test to answer it. */
export interface Received {
  readonly request: SipRequest;
  answer(answer: SipAnswer | number): void;
}

/** An edge whose requests a test answers by hand. */
export class TestEdge {
  readonly received = new Inbox<Received>();

  private constructor(readonly edge: Edge) {}

  /** Listens by UDP and TCP on 127.0.0.1 unless told otherwise, and handles REGISTER and OPTIONS. */
  static async start(
    options: Partial<EdgeOptions> = {},
    methods = ['REGISTER', 'OPTIONS'],
    screen?: Screen,
  ): Promise<TestEdge> {
    const listen = [
      { proto: 'udp', host: '127.0.0.1', port: 0 },
      { proto: 'tcp', host: '127.0.0.1', port: 0 },
    ] as const;
    const started = new TestEdge(new Edge({ listen, logger: silent, ...options }));
    for (const method of methods) started.edge.handle(method, (request) => started.#receive(request));
    if (screen) started.edge.screen(screen);
    await started.edge.connect();
    return started;
  }

  /** The next request that a handler was called with. */
  next(what = 'a request at its handler'): Promise<Received> {
    return this.received.next(what);
  }

  /** Answers the next request. */
  async answerNext(answer: SipAnswer | number = 200): Promise<SipRequest> {
    const received = await this.next();
    received.answer(answer);
    return received.request;
  }

  /** The port of a listener; of the first one on that host. */
  port(proto: Listener['proto'], host = '127.0.0.1'): number {
    return portOf(this.edge, proto, host);
  }

  /** Answers nothing more. */
  stop(): Promise<void> {
    return this.edge.stop(0);
  }

  #receive(request: SipRequest): Promise<SipAnswer> {
    const { promise, resolve } = Promise.withResolvers<SipAnswer>();
    this.received.put({
      request,
      answer: (answer) => resolve(typeof answer === 'number' ? { status: answer } : answer),
    });
    return promise;
  }
}

/** A gateway that listens by TCP or TLS: its connections. */
export interface Gateway {
  readonly port: number;
  readonly connections: Inbox<StreamPeer>;
  /** Listens no more, as a process that has ended. */
  close(): void;
}

/** Edges and their peers for the calling file, closed after each of its tests. */
export function edgesAndPeers() {
  const cleaner = disposedAfterEach();
  return {
    cleaner,
    /** @param tls the certificate that it shows; by TCP when undefined */
    listen: async (port = 0, tls?: TestCertificate, options: TlsServerOptions = {}): Promise<Gateway> => {
      const connections = new Inbox<StreamPeer>();
      const accept = (socket: Socket) => connections.put(cleaner.use(new StreamPeer(socket)));
      const server = tls
        ? authority.server(tls, options).on('secureConnection', accept)
        : createServer(options, accept);
      cleaner.defer(() => void server.close());
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      return { port: (server.address() as AddressInfo).port, connections, close: () => void server.close() };
    },
    start: async (options: Partial<EdgeOptions> = {}) =>
      cleaner.adopt(await TestEdge.start(options), (edge) => edge.stop()),
    openUdp: async (edge: TestEdge) => cleaner.use(await UdpPeer.open(edge.port('udp'))),
    openTcp: async (edge: TestEdge) => cleaner.use(await openStream('tcp', edge.port('tcp'))),
  };
}

/** TLS options of an edge on loopback that trusts our authority. */
export function serverTls(): TlsOptions {
  return { certificates: [serverCertificate()], ca: authority.ca };
}

/** The port of a listener of the edge. */
export function portOf(
  edge: { readonly localHostports: string },
  proto: Listener['proto'],
  host = '127.0.0.1',
): number {
  const entry = edge.localHostports.split(',').find((e) => e.startsWith(`${proto}/${host}:`));
  if (entry === undefined) throw new Error(`no ${proto} on ${host} in ${edge.localHostports}`);
  return Number(entry.slice(entry.lastIndexOf(':') + 1));
}

/** Resolves when every datagram that was sent before has been read. */
export async function datagramsRead(): Promise<void> {
  using one = await UdpPeer.open();
  using other = await UdpPeer.open(one.port);
  other.send('marker');
  await one.next();
}

/** The causes that messages or connections were dropped for, with their counts. */
export function causesOf(drops: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...drops].filter(([, count]) => count > 0));
}
