import { connect, type Socket } from 'node:net';
import { Edge, type EdgeOptions, type Listener } from '../../src/edge/index.ts';
import type { SipAnswer } from '../../src/ports/sip-server.ts';
import type { SipRequest } from '../../src/sip/message.ts';

const WAIT_MS = 5_000;

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
  static async start(options: Partial<EdgeOptions> = {}, methods = ['REGISTER', 'OPTIONS']): Promise<TestEdge> {
    const listen = [
      { proto: 'udp', host: '127.0.0.1', port: 0 },
      { proto: 'tcp', host: '127.0.0.1', port: 0 },
    ] as const;
    const started = new TestEdge(new Edge({ listen, logger: silent, ...options }));
    for (const method of methods) started.edge.handle(method, (request) => started.#receive(request));
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

/** Things that come in, awaited one by one. */
export class Inbox<T> {
  #items: T[] = [];
  #waiting: ((item: T) => void)[] = [];

  put(item: T): void {
    const waiter = this.#waiting.shift();
    if (waiter) waiter(item);
    else this.#items.push(item);
  }

  next(what = 'something', waitMs = WAIT_MS): Promise<T> {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift() as T);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`waited ${waitMs} ms in vain for ${what}`)), waitMs);
      this.#waiting.push((item) => {
        clearTimeout(timer);
        resolve(item);
      });
    });
  }

  get size(): number {
    return this.#items.length;
  }
}

/** A SIP peer on a UDP socket of its own. */
export class UdpPeer {
  readonly inbox = new Inbox<string>();
  #socket: Bun.udp.Socket<'buffer'> | undefined;

  static async open(host = '127.0.0.1'): Promise<UdpPeer> {
    const peer = new UdpPeer(host);
    peer.#socket = await Bun.udpSocket({
      hostname: host,
      port: 0,
      socket: { data: (_socket, data) => peer.inbox.put(data.toString()), error: () => {} },
    });
    return peer;
  }

  private constructor(readonly host: string) {}

  get port(): number {
    return this.#socket?.port ?? 0;
  }

  send(data: string | Uint8Array, port: number, host = this.host.includes(':') ? '::1' : '127.0.0.1'): void {
    this.#socket?.send(data, port, host);
  }

  next(what = 'a datagram'): Promise<string> {
    return this.inbox.next(what);
  }

  [Symbol.dispose](): void {
    this.#socket?.close();
  }
}

/** Resolves when every datagram that was sent before has been read. */
export async function datagramsRead(): Promise<void> {
  using one = await UdpPeer.open();
  using other = await UdpPeer.open();
  other.send('marker', one.port);
  await one.next();
}

/** A SIP peer on a TCP connection: what it receives is cut into messages (none of them has a body) and CRLFs. */
export class TcpPeer {
  readonly inbox = new Inbox<string>();
  readonly closed: Promise<void>;
  #text = '';

  static async open(port: number, localAddress = '127.0.0.1', host = '127.0.0.1'): Promise<TcpPeer> {
    const socket = connect({ host, port, localAddress });
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new TcpPeer(socket);
  }

  constructor(readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => socket.on('close', () => resolve()));
    socket.on('data', (data) => {
      this.#text += data.toString();
      for (;;) {
        const crlf = this.#text.startsWith('\r\n');
        const end = crlf ? 2 : this.#text.indexOf('\r\n\r\n') + 4;
        if (end < 4 && !crlf) return;
        this.inbox.put(this.#text.slice(0, end));
        this.#text = this.#text.slice(end);
      }
    });
  }

  get port(): number {
    return this.socket.localPort ?? 0;
  }

  send(data: string | Uint8Array): void {
    this.socket.write(data);
  }

  next(what = 'a message on the stream'): Promise<string> {
    return this.inbox.next(what);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** The text of a request with what is usual in it. */
export function request(
  method: string,
  via: string,
  options: { branch?: string; callId?: string; extra?: string; body?: string } = {},
): string {
  const { branch = `z9hG4bK${crypto.randomUUID()}`, callId = crypto.randomUUID(), extra = '', body = '' } = options;
  return (
    `${method} sip:sidecar.test SIP/2.0\r\nVia: SIP/2.0/${via};branch=${branch}\r\nMax-Forwards: 70\r\n` +
    `From: <sip:demo@sidecar.test>;tag=1\r\nTo: <sip:demo@sidecar.test>\r\nCall-ID: ${callId}\r\n` +
    `CSeq: 1 ${method}\r\n${extra}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}

/** The text of a response to a request. */
export function responseTo(request: string, status = '200 OK'): string {
  return `SIP/2.0 ${status}\r\n${request.slice(request.indexOf('\r\n') + 2)}`;
}
