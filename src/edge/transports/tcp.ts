import { createServer, connect as netConnect, type Server, type Socket } from 'node:net';
import type { MalformedMessage, Wire } from '../../sip/message.ts';
import type { Clock } from '../clock.ts';
import { type Delay, DelayQueue } from '../delay-queue.ts';
import {
  CONNECT_MS,
  HALF_OPEN_MS,
  IDLE_MS,
  MAX_CONNECTIONS,
  MAX_CONNECTIONS_PER_SOURCE,
  MAX_UNSENT_BYTES,
} from '../limits.ts';
import { StreamFramer } from './framing.ts';
import { type Flow, ListenError, plainAddress, type Transport, type TransportEvents } from './transport.ts';

/** RFC 3261 18, RFC 5626 3.5.1. @throws ListenError */
export async function listenTcp(host: string, port: number, events: TransportEvents, clock: Clock): Promise<Transport> {
  const transport = new TcpTransport(events, clock);
  await transport.listen(host, port);
  return transport;
}

class TcpTransport implements Transport {
  readonly protocol = 'tcp';
  readonly viaProtocol = 'TCP';
  readonly defaultPort = 5060;
  readonly reliable = true;
  address = '';
  port = 0;
  readonly #server: Server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket));
  readonly #connections = new Connections();
  readonly connecting: DelayQueue<TcpConnection>;
  readonly halfOpen: DelayQueue<TcpConnection>;
  readonly idle: DelayQueue<TcpConnection>;

  constructor(
    readonly events: TransportEvents,
    clock: Clock,
  ) {
    const giveUp = (connection: TcpConnection) => connection.destroy();
    this.connecting = new DelayQueue(CONNECT_MS, clock, giveUp);
    this.halfOpen = new DelayQueue(HALF_OPEN_MS, clock, giveUp);
    this.idle = new DelayQueue(IDLE_MS, clock, giveUp);
  }

  listen(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) =>
        reject(new ListenError('tcp', host, port, error.code ?? error.message)),
      );
      this.#server.listen({ host, port }, () => {
        const bound = this.#server.address();
        if (bound && typeof bound === 'object') {
          this.address = bound.address;
          this.port = bound.port;
        }
        // Later on, a connection that could not be accepted (out of files) is the peer's loss alone.
        this.#server.removeAllListeners('error');
        this.#server.on('error', (error) => this.events.dropped(undefined, error.message));
        resolve();
      });
    });
  }

  flowTo(address: string, port: number): Flow {
    const open = this.#connections.to(address, port);
    if (open) return open;
    const wildcard = this.address === '0.0.0.0' || this.address === '::';
    const socket = netConnect({
      host: address,
      port,
      noDelay: true,
      keepAlive: true,
      ...(!wildcard && { localAddress: this.address }),
    });
    const connection = new TcpConnection(this, socket, address, port);
    if (this.#connections.size >= MAX_CONNECTIONS) connection.destroy();
    else this.#connections.add(connection);
    connection.awaitConnect();
    return connection;
  }

  forget(connection: TcpConnection): void {
    this.#connections.delete(connection);
    this.events.unreachable(this, connection.address, connection.port);
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const connection of this.#connections) connection.destroy();
    for (const queue of [this.connecting, this.halfOpen, this.idle]) queue.clear();
    await closed;
  }

  #accept(socket: Socket): void {
    const address = plainAddress(socket.remoteAddress ?? '');
    const full = this.#connections.size >= MAX_CONNECTIONS;
    if (full || this.#connections.from(address) >= MAX_CONNECTIONS_PER_SOURCE) {
      socket.destroy();
      this.events.dropped(undefined, full ? 'too many connections' : `too many connections from ${address}`);
      return;
    }
    this.#connections.add(new TcpConnection(this, socket, address, socket.remotePort ?? 0));
  }
}

class TcpConnection implements Flow {
  readonly #framer: StreamFramer;
  readonly #idle: Delay<TcpConnection>;
  #halfOpen: Delay<TcpConnection> | undefined;
  #connecting: Delay<TcpConnection> | undefined;

  constructor(
    readonly transport: TcpTransport,
    private readonly socket: Socket,
    readonly address: string,
    readonly port: number,
  ) {
    this.#idle = transport.idle.add(this);
    this.#framer = new StreamFramer({
      message: (message, bytes) => {
        // One message is complete: the next has its own time.
        this.#halfOpen?.cancel();
        transport.events.message(message, this, bytes);
      },
      malformed: (error, fatal) => this.#refuse(error, fatal),
      keepAlive: () => this.send('\r\n'),
    });
    socket.on('data', (chunk) => this.#receive(chunk as Buffer));
    // An error is always followed by 'close', which tells the rest; refused and reset are the peer's everyday business.
    socket.on('error', () => {});
    socket.on('close', () => this.#closed());
  }

  awaitConnect(): void {
    this.#connecting = this.transport.connecting.add(this);
    this.socket.once('connect', () => this.#connecting?.cancel());
  }

  send(message: Wire): boolean {
    if (this.socket.destroyed || !this.socket.writable) return false;
    this.socket.write(message);
    // A peer that lets us wait that long does not read, and its answers are no use to it.
    if (this.socket.writableLength > MAX_UNSENT_BYTES) this.destroy();
    return true;
  }

  destroy(): void {
    this.socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#idle.restart();
    this.#framer.push(chunk);
    if (!this.#framer.halfOpen) this.#halfOpen?.cancel();
    else if (!this.#halfOpen?.waiting) this.#halfOpen = this.transport.halfOpen.add(this);
  }

  #refuse(error: MalformedMessage, fatal: boolean): void {
    this.transport.events.malformed(error, this);
    if (fatal) this.socket.end();
  }

  #closed(): void {
    this.#connecting?.cancel();
    this.#halfOpen?.cancel();
    this.#idle.cancel();
    this.transport.forget(this);
  }
}

/** The open connections by their far end, and how many there are from each address. */
class Connections {
  readonly #byPeer = new Map<string, TcpConnection>();
  readonly #perSource = new Map<string, number>();

  get size(): number {
    return this.#byPeer.size;
  }

  [Symbol.iterator](): Iterator<TcpConnection> {
    return this.#byPeer.values();
  }

  to(address: string, port: number): TcpConnection | undefined {
    return this.#byPeer.get(`${address} ${port}`);
  }

  /** How many connections count against an address; none for loopback, where the tests and the neighbours live. */
  from(address: string): number {
    return isLoopback(address) ? 0 : (this.#perSource.get(address) ?? 0);
  }

  add(connection: TcpConnection): void {
    this.#byPeer.set(`${connection.address} ${connection.port}`, connection);
    this.#perSource.set(connection.address, (this.#perSource.get(connection.address) ?? 0) + 1);
  }

  delete(connection: TcpConnection): void {
    const key = `${connection.address} ${connection.port}`;
    if (this.#byPeer.get(key) !== connection) return;
    this.#byPeer.delete(key);
    const left = (this.#perSource.get(connection.address) ?? 1) - 1;
    if (left > 0) this.#perSource.set(connection.address, left);
    else this.#perSource.delete(connection.address);
  }
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
