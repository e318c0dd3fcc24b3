import { connect, type Socket } from 'node:net';
import { type Edge, type EdgeOptions, type Listener, startEdge } from '../../src/edge/index.ts';

export const SECRET = 'cymru';
const WAIT_MS = 5_000;

export const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export function startTestEdge(options: Partial<EdgeOptions> = {}): Promise<Edge> {
  const listen = [
    { proto: 'udp', host: '127.0.0.1', port: 0 },
    { proto: 'tcp', host: '127.0.0.1', port: 0 },
  ] as const;
  return startEdge({ listen, secret: SECRET, logger: silent, ...options });
}

/** The port of a listener of the edge. */
export function portOf(edge: Edge, proto: Listener['proto'], host = '127.0.0.1'): number {
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

  next(what = 'something'): Promise<T> {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift() as T);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`waited ${WAIT_MS} ms in vain for ${what}`)), WAIT_MS);
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

/** An app that speaks the control protocol by hand. */
export class RawApp {
  readonly frames = new Inbox<string>();
  readonly closed: Promise<void>;
  #rest = Buffer.alloc(0);

  static async connect(port: number): Promise<RawApp> {
    const socket = connect({ host: '127.0.0.1', port });
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new RawApp(socket);
  }

  /** Connects, authenticates and asks for methods. */
  static async ready(edge: Edge, ...methods: string[]): Promise<RawApp> {
    const app = await RawApp.connect(edge.control.port);
    await app.ask(`authenticate|${SECRET}|`);
    for (const method of methods) await app.ask(`route|${method}`);
    return app;
  }

  private constructor(readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => socket.on('close', () => resolve()));
    socket.on('data', (data) => {
      this.#rest = Buffer.concat([this.#rest, data as Buffer]);
      for (;;) {
        const hash = this.#rest.indexOf('#');
        const end = hash + 1 + Number(this.#rest.toString('latin1', 0, Math.max(hash, 0)));
        if (hash < 0 || this.#rest.length < end) return;
        this.frames.put(this.#rest.toString('utf8', hash + 1, end));
        this.#rest = this.#rest.subarray(end);
      }
    });
  }

  /** Sends one payload as a frame. */
  send(payload: string): void {
    this.socket.write(`${Buffer.byteLength(payload)}#${payload}`);
  }

  /** Sends a message under a new id and returns what comes next. */
  async ask(message: string): Promise<string> {
    this.send(`${crypto.randomUUID()}|${message}`);
    return this.next(`an answer to ${message.slice(0, 40)}`);
  }

  next(what = 'a frame'): Promise<string> {
    return this.frames.next(what);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** A clock whose hours pass when told. */
export class ManualClock {
  #now = 0;
  #timers = new Set<{ at: number; callback: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Lets time pass; what falls due happens in its order and at its time. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      let next: { at: number; callback: () => void } | undefined;
      for (const timer of this.#timers) if (timer.at <= end && (!next || timer.at < next.at)) next = timer;
      if (!next) break;
      this.#now = Math.max(this.#now, next.at);
      this.#timers.delete(next);
      next.callback();
    }
    this.#now = end;
  }

  get pending(): number {
    return this.#timers.size;
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

/** The transaction id that a frame with a request gives. */
export function transactionOf(frame: string): string {
  return frame.split('|')[8] ?? '';
}

/** The SIP text of a frame. */
export function textOf(frame: string): string {
  return frame.slice(frame.indexOf('\r\n') + 2);
}
