import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { type Head, readHead } from '../../src/sip/head.ts';
import { headerValue } from '../../src/sip/message.ts';
import type { NextHop } from '../../src/sip/next-hop.ts';
import { onCleanup } from './cleanup.ts';
import { freePort } from './net.ts';
import { authorizationSent } from './secrets.ts';

export class PeerRequest {
  readonly method: string;
  readonly uri: string;
  /** By performance.now(), milliseconds. */
  readonly arrivedAt = performance.now();

  constructor(
    readonly transport: 'udp' | 'tcp',
    readonly source: { readonly address: string; readonly port: number },
    readonly text: string,
    private readonly head: Head,
  ) {
    const [method = '', uri = ''] = head.startLine.split(' ');
    this.method = method;
    this.uri = uri;
  }

  /** The first header of this canonical name. */
  header(name: string): string | undefined {
    return headerValue(this.head.headers, name);
  }

  headers(name: string): string[] {
    return this.head.headers.filter((header) => header.name === name).map((header) => header.value);
  }
}

export interface PeerAnswer {
  readonly status: number;
  readonly reason?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

/**
 * One response, several (provisional ones first), none, over TCP half a response and the end of the connection, or over
 * UDP the loss of the request, so that its retransmission is another request.
 */
type Reaction = PeerAnswer | readonly PeerAnswer[] | 'silent' | 'close-mid-message' | 'lost';
export type Script = (request: PeerRequest) => Reaction;

/** Requests and branches kept; 10 000 registrations are some 20 000 requests. */
const MAX_KEPT = 200_000;
const BLANK_LINE = '\r\n\r\n';
/** RFC 3261 8.2.6.2. */
const REPEATED = ['Via', 'From', 'To', 'Call-ID', 'CSeq'] as const;

interface Waiter {
  readonly wanted: (request: PeerRequest) => boolean;
  readonly resolve: (request: PeerRequest) => void;
}

/**
 * A scripted SIP server, by UDP and TCP on one free port. Records every request; counts retransmissions, and answers
 * them like the first.
 */
export class SipPeer {
  readonly requests: PeerRequest[] = [];
  retransmissions = 0;
  readonly #waiting = new Set<Waiter>();
  /** Number of requests that `next` has passed. */
  #passed = 0;
  /** Branch of a UDP request → its last response. */
  readonly #answered = new Map<string, string | undefined>();
  readonly #connections = new Set<Socket>();
  #udp: Bun.udp.Socket<'buffer'> | undefined;
  #tcp: Server | undefined;
  #tag = 0;

  private constructor(
    readonly host: string,
    readonly port: number,
    public script: Script,
  ) {}

  static async start(script: Script = () => ({ status: 200 }), host = '127.0.0.1'): Promise<SipPeer> {
    const peer = new SipPeer(host, await freePort(), script);
    onCleanup(() => peer.stop());
    await peer.listen();
    return peer;
  }

  nextHop(transport: 'udp' | 'tcp' = 'udp'): NextHop {
    return { address: this.host, port: this.port, transport };
  }

  /** The first wanted request, past or future, after the one that the last call returned. */
  next(wanted: (request: PeerRequest) => boolean = () => true, deadlineMs = 20_000): Promise<PeerRequest> {
    while (this.#passed < this.requests.length) {
      const request = this.requests[this.#passed++];
      if (request && wanted(request)) return Promise.resolve(request);
    }
    return new Promise((resolve, reject) => {
      const waiter = {
        wanted,
        resolve(request: PeerRequest) {
          clearTimeout(timer);
          resolve(request);
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(waiter);
        const seen = this.requests.slice(-5).map(({ method, uri }) => `${method} ${uri}`);
        reject(new Error(`no such request within ${deadlineMs} ms; the last ones: ${seen.join(', ') || 'none'}`));
      }, deadlineMs);
      this.#waiting.add(waiter);
    });
  }

  /** After `stop`, listens on the same port again. */
  async listen(): Promise<void> {
    this.#udp = await Bun.udpSocket({
      hostname: this.host,
      port: this.port,
      socket: {
        data: (_socket, data, port, address) => this.#onDatagram(data.toString(), port, address),
        error: () => {}, // the sender's port is closed
      },
    });
    this.#tcp = createServer((socket) => this.#onConnection(socket));
    this.#tcp.listen(this.port, this.host);
    await once(this.#tcp, 'listening');
  }

  async stop(): Promise<void> {
    this.#udp?.close();
    this.#udp = undefined;
    const server = this.#tcp;
    this.#tcp = undefined;
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    this.disconnect();
    await closed;
  }

  disconnect(): void {
    for (const socket of this.#connections) socket.destroy();
  }

  #onDatagram(text: string, port: number, address: string): void {
    if (!text.includes(BLANK_LINE) || text.startsWith('SIP/2.0 ')) return;
    const branch = /;branch=([^;,\s]+)/.exec(text)?.[1] ?? '';
    if (this.#answered.has(branch)) {
      this.retransmissions++;
      const answer = this.#answered.get(branch);
      if (answer !== undefined) this.#udp?.send(answer, port, address);
      return;
    }
    const { request, answers, cut, lost } = this.#react('udp', { address, port }, text);
    if (cut) throw new Error('a datagram cannot end in the middle');
    if (this.#answered.size >= MAX_KEPT) this.#answered.clear();
    if (!lost) this.#answered.set(branch, answers.at(-1));
    for (const answer of answers) this.#udp?.send(answer, port, address);
    this.#record(request);
  }

  #onConnection(socket: Socket): void {
    this.#connections.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => this.#connections.delete(socket));
    const { remoteAddress: address = '', remotePort: port = 0 } = socket;
    let text = '';
    socket.on('data', (data) => {
      text += data.toString();
      for (let end = text.indexOf(BLANK_LINE); end >= 0; end = text.indexOf(BLANK_LINE)) {
        const message = text.slice(0, end + BLANK_LINE.length).trimStart();
        text = text.slice(end + BLANK_LINE.length);
        if (message === '') continue; // a keep-alive
        const { request, answers, cut } = this.#react('tcp', { address, port }, message);
        for (const answer of answers) socket.write(answer);
        if (cut !== undefined) socket.end(cut);
        this.#record(request);
      }
    });
  }

  #react(transport: 'udp' | 'tcp', source: { address: string; port: number }, text: string) {
    authorizationSent(text);
    const request = new PeerRequest(transport, source, text, readHead(text));
    const reaction = this.script(request);
    if (reaction === 'silent' || reaction === 'lost') return { request, answers: [], lost: reaction === 'lost' };
    if (reaction === 'close-mid-message') {
      const whole = this.#write(request, { status: 200 });
      return { request, answers: [], cut: whole.slice(0, whole.length / 2) };
    }
    const answers = 'status' in reaction ? [reaction] : reaction;
    return { request, answers: answers.map((answer) => this.#write(request, answer)) };
  }

  #record(request: PeerRequest): void {
    if (this.requests.length >= MAX_KEPT) throw new Error(`a peer keeps ${MAX_KEPT} requests, not more`);
    this.requests.push(request);
    for (const waiter of this.#waiting) {
      if (!waiter.wanted(request)) continue;
      this.#waiting.delete(waiter);
      this.#passed = this.requests.length;
      waiter.resolve(request);
      return;
    }
  }

  #write(request: PeerRequest, { status, reason = `Status ${status}`, headers = {} }: PeerAnswer): string {
    const lines = [`SIP/2.0 ${status} ${reason}`];
    for (const name of REPEATED)
      for (const value of request.headers(name))
        lines.push(`${name}: ${value}${name === 'To' && status > 100 ? `;tag=peer-${++this.#tag}` : ''}`);
    for (const [name, values] of Object.entries(headers))
      for (const value of typeof values === 'string' ? [values] : values) lines.push(`${name}: ${value}`);
    return `${lines.join('\r\n')}\r\nContent-Length: 0${BLANK_LINE}`;
  }
}
