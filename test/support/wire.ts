import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as netConnect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { authority } from './certificates.ts';
import { Inbox } from './inbox.ts';

export const STREAMS = ['tcp', 'tls', 'ws', 'wss'] as const;
export type StreamProtocol = (typeof STREAMS)[number];
export type Protocol = 'udp' | StreamProtocol;

/** A SIP client or server on its own socket, which sends and receives whole messages. */
export interface WirePeer extends Disposable {
  readonly address: string;
  readonly port: number;
  /** Messages and, over connections, CRLFs. */
  readonly inbox: Inbox<string>;
  send(message: string): void;
  next(what?: string, waitMs?: number): Promise<string>;
}

export function isSecure(protocol: Protocol): boolean {
  return protocol === 'tls' || protocol === 'wss';
}

/** Opens a peer of the server at this address. @throws when the connection cannot be opened */
export function openPeer(protocol: Protocol, port: number, host?: string, localAddress?: string): Promise<WirePeer> {
  return protocol === 'udp' ? UdpPeer.open(port, host, localAddress) : openStream(protocol, port, host, localAddress);
}

/** Opens a connection. @throws when it is refused, or the certificate is not valid for the host */
export function openStream(protocol: 'ws' | 'wss', port: number, host?: string, localAddress?: string): Promise<WsPeer>;
export function openStream(
  protocol: StreamProtocol,
  port: number,
  host?: string,
  localAddress?: string,
): Promise<StreamPeer>;
export async function openStream(protocol: StreamProtocol, port: number, host?: string, localAddress?: string) {
  const socket = await openSocket(protocol, port, host, localAddress);
  return protocol === 'ws' || protocol === 'wss' ? WsPeer.upgrade(socket) : new StreamPeer(socket);
}

/** Connects by TCP or TLS. @throws when it is refused, or the certificate is not valid for the host */
export async function openSocket(protocol: StreamProtocol, port: number, host = '127.0.0.1', localAddress?: string) {
  const where = { host, port, ...(localAddress !== undefined && { localAddress }) };
  const secure = isSecure(protocol);
  const socket: Socket = secure ? tlsConnect({ ...where, ca: authority.ca }) : netConnect(where);
  await once(socket, secure ? 'secureConnect' : 'connect');
  return socket;
}

export class UdpPeer implements WirePeer {
  readonly inbox = new Inbox<string>();
  #socket: Bun.udp.Socket<'buffer'> | undefined;

  /**
   * @param server the port to send to and the only one to receive from, as behind a NAT; default: receives from all
   * @param port its own; default: any that is free
   */
  static async open(
    server?: number,
    host = '127.0.0.1',
    address = host.includes(':') ? '::1' : '127.0.0.1',
    port = 0,
  ): Promise<UdpPeer> {
    const peer = new UdpPeer(address, host, server);
    peer.#socket = await Bun.udpSocket({
      hostname: address,
      port,
      socket: {
        data: (_socket, data, fromPort, fromAddress) => {
          const accepted = server === undefined || (fromPort === server && fromAddress === host);
          if (accepted) peer.inbox.put(data.toString());
        },
        error: () => {}, // nothing listens at the server's port
      },
    });
    return peer;
  }

  private constructor(
    readonly address: string,
    private readonly host: string,
    private readonly server: number | undefined,
  ) {}

  get port(): number {
    return this.#socket?.port ?? 0;
  }

  send(message: string | Uint8Array, port = this.server): void {
    if (port === undefined) throw new Error('no port to send to');
    this.#socket?.send(message, port, this.host);
  }

  next(what = 'a datagram', waitMs?: number): Promise<string> {
    return this.inbox.next(what, waitMs);
  }

  [Symbol.dispose](): void {
    this.#socket?.close();
  }
}

/** A peer on a TCP or TLS connection. Messages to it have no body. */
export class StreamPeer implements WirePeer {
  readonly inbox = new Inbox<string>();
  readonly closed: Promise<void>;
  #rest = Buffer.alloc(0);

  constructor(readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on('error', () => {}); // 'close' follows
    this.closed = new Promise((resolve) => socket.on('close', () => resolve()));
    socket.on('data', (data: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, data]);
      for (let end = this.take(this.#rest); end > 0; end = this.take(this.#rest)) this.#rest = this.#rest.subarray(end);
    });
  }

  get address(): string {
    return this.socket.localAddress ?? '';
  }

  get port(): number {
    return this.socket.localPort ?? 0;
  }

  send(message: string): void {
    this.socket.write(this.encode(message));
  }

  /** The bytes that {@link send} writes. */
  encode(message: string): Buffer {
    return Buffer.from(message);
  }

  /** Receives the first message or CRLF of these bytes. @returns its length, 0 while it is incomplete */
  protected take(bytes: Buffer): number {
    const isCrlf = bytes[0] === 0x0d && bytes[1] === 0x0a;
    const blank = isCrlf ? 0 : bytes.indexOf('\r\n\r\n');
    if (blank < 0) return 0;
    const end = isCrlf ? 2 : blank + 4;
    this.inbox.put(bytes.toString('utf8', 0, end));
    return end;
  }

  next(what = 'a message on the connection', waitMs?: number): Promise<string> {
    return this.inbox.next(what, waitMs);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** The head of an upgrade to WebSocket, without the blank line. */
export const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: 127.0.0.1',
  'Upgrade: websocket',
  'Connection: keep-alive, Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Protocol: sip',
];

/** A browser's side of a WebSocket: the inbox has the payloads of text and binary frames. */
export class WsPeer extends StreamPeer {
  /** All other frames. */
  readonly control = new Inbox<{ readonly opcode: number; readonly payload: Buffer }>();

  /** @throws when the upgrade is refused */
  static async upgrade(socket: Socket): Promise<WsPeer> {
    socket.on('error', () => {});
    socket.write(`${UPGRADE.join('\r\n')}\r\n\r\n`);
    const [answer] = await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => [''])]);
    if (!String(answer).startsWith('HTTP/1.1 101 ')) throw new Error(`not upgraded: ${answer}`);
    return new WsPeer(socket);
  }

  override encode(message: string): Buffer {
    return clientFrame(1, message);
  }

  protected override take(bytes: Buffer): number {
    const [first = 0, short = 0] = bytes;
    const start = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (bytes.length < start) return 0;
    const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
    const end = start + length;
    if (bytes.length < end) return 0;
    const payload = Buffer.from(bytes.subarray(start, end));
    const opcode = first & 0x0f;
    if (opcode === 1 || opcode === 2) this.inbox.put(payload.toString());
    else this.control.put({ opcode, payload });
    return end;
  }
}

/** A frame as a client sends it, malformed if the options say so. */
export function clientFrame(
  opcode: number,
  payload: Uint8Array | string,
  { fin = true, masked = true, reserved = 0 }: { fin?: boolean; masked?: boolean; reserved?: number } = {},
): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(payload);
  const header = Buffer.alloc(bytes.length < 126 ? 2 : bytes.length < 65_536 ? 4 : 10);
  header[0] = (fin ? 0x80 : 0) | reserved | opcode;
  header[1] = (masked ? 0x80 : 0) | (header.length === 2 ? bytes.length : header.length === 4 ? 126 : 127);
  if (header.length === 4) header.writeUInt16BE(bytes.length, 2);
  if (header.length === 10) header.writeBigUInt64BE(BigInt(bytes.length), 2);
  if (!masked) return Buffer.concat([header, bytes]);
  const mask = randomBytes(4);
  return Buffer.concat([header, mask, bytes.map((byte, i) => byte ^ (mask[i & 3] ?? 0))]);
}
