import { createServer, connect as netConnect, type Server, type Socket } from 'node:net';
import type { MalformedMessage, Wire } from '../../sip/message.ts';
import type { Clock } from '../clock.ts';
import { type Delay, DelayQueue } from '../delay-queue.ts';
import { CONNECT_MS, HALF_OPEN_MS, IDLE_MS, MAX_UNSENT_BYTES } from '../limits.ts';
import { Connections } from './connections.ts';
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
  readonly #connections = new Connections<TcpConnection>();
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
    if (this.#connections.full) connection.destroy();
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
    const refusal = this.#connections.refusal(address);
    const connection = new TcpConnection(this, socket, address, socket.remotePort ?? 0);
    if (refusal === undefined) this.#connections.add(connection);
    else {
      connection.destroy();
      this.events.dropped(connection, refusal);
    }
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
