import type { Server, Socket } from 'node:net';
import type { Timers } from '../../lib/timers.ts';
import { DelayQueue } from '../delay-queue.ts';
import { CONNECT_MS, HALF_OPEN_MS, IDLE_MS } from '../limits.ts';
import { Connection, type ConnectionContext, type Session, type SessionEvents } from './connection.ts';
import type { ConnectionCount } from './connections.ts';
import type { FairShare } from './fair-share.ts';
import type { KeptBytes } from './kept-bytes.ts';
import type { Established, Sockets } from './sockets.ts';
import {
  type Flow,
  ListenError,
  type Protocol,
  plainAddress,
  type Transport,
  type TransportEvents,
} from './transport.ts';

/** What makes one stream transport different from another. */
export interface StreamKind {
  readonly protocol: Protocol;
  readonly toldAs: 'tcp' | 'tls';
  readonly viaProtocol: string;
  readonly defaultPort: number;
  /** Whether we may open connections too; a WebSocket is the client's to open (RFC 7118 4.1). */
  readonly dials: boolean;
  /** How messages are told apart on one connection. */
  readonly session: (events: SessionEvents) => Session;
}

/** What stream transports share. */
export interface StreamContext {
  readonly events: TransportEvents;
  readonly timers: Timers;
  readonly count: ConnectionCount;
  readonly share: FairShare;
  readonly kept: KeptBytes;
}

/** TCP, TLS, WS, WSS: one implementation, different sockets and sessions. */
export class StreamTransport implements Transport, ConnectionContext {
  readonly reliable = true;
  readonly protocol: Protocol;
  readonly toldAs: 'tcp' | 'tls';
  readonly viaProtocol: string;
  readonly defaultPort: number;
  readonly transport = this;
  readonly events: TransportEvents;
  readonly share: FairShare;
  readonly kept: KeptBytes;
  readonly connecting: DelayQueue<Connection>;
  readonly halfOpen: DelayQueue<Connection>;
  readonly idle: DelayQueue<Connection>;
  address = '';
  port = 0;
  readonly #count: ConnectionCount;
  readonly #server: Server;
  readonly #all = new Set<Connection>();
  /** By {@link keyOf}. A client that connects to two of our addresses from one port has two, of which the later is found. */
  readonly #connections = new Map<string, Connection>();
  #closing = false;
  #closed: Promise<unknown> | undefined;

  constructor(
    private readonly kind: StreamKind,
    private readonly sockets: Sockets,
    { events, timers, count, share, kept }: StreamContext,
  ) {
    const { protocol, toldAs, viaProtocol, defaultPort } = kind;
    this.protocol = protocol;
    this.toldAs = toldAs;
    this.viaProtocol = viaProtocol;
    this.defaultPort = defaultPort;
    this.events = events;
    this.share = share;
    this.kept = kept;
    this.#count = count;
    const giveUp = (connection: Connection) => connection.destroy('it took too long');
    this.connecting = new DelayQueue(CONNECT_MS, timers, giveUp);
    this.halfOpen = new DelayQueue(HALF_OPEN_MS, timers, giveUp);
    this.idle = new DelayQueue(IDLE_MS, timers, (connection) => {
      if (connection.served && events.idle(connection)) connection.stay();
      else giveUp(connection);
    });
    this.#server = sockets.server((socket) => this.#accept(socket));
  }

  /** @throws ListenError */
  listen(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) =>
        reject(new ListenError(this.protocol, host, port, error.code ?? error.message)),
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

  connectedTo(address: string, port: number): boolean {
    return this.#connections.get(keyOf({ address, port }))?.usable ?? false;
  }

  flowTo(address: string, port: number, name?: string): Flow {
    return this.#openTo(address, port, name) ?? this.#dial('opened', address, port, name);
  }

  callBack(address: string, port: number, name?: string): Flow {
    return this.#openTo(address, port, name) ?? this.#dial('called back', address, port, name);
  }

  session(events: SessionEvents): Session {
    return this.kind.session(events);
  }

  ended(connection: Connection): void {
    const { origin, address, established, why } = connection;
    this.#count.ended(origin === 'opened' ? undefined : address);
    this.#all.delete(connection);
    if (this.#connections.get(keyOf(connection)) === connection) this.#connections.delete(keyOf(connection));
    if (this.#closing) return;
    if (!established) {
      if (origin === 'opened') this.events.notConnected(connection, why);
      else this.events.dropped(connection, `no ${origin === 'accepted' ? 'handshake' : 'connection'}: ${why}`);
    }
    this.events.closed(connection);
  }

  stopReading(): void {
    this.#stopListening();
    for (const connection of this.#all) connection.stopReading();
  }

  async close(): Promise<void> {
    this.#closing = true;
    const closed = this.#stopListening();
    for (const connection of [...this.#all]) connection.close('the edge stops');
    for (const queue of [this.connecting, this.halfOpen, this.idle]) queue.clear();
    await closed;
  }

  #stopListening(): Promise<unknown> {
    this.#closed ??= new Promise((resolve) => this.#server.close(resolve));
    return this.#closed;
  }

  #openTo(address: string, port: number, name: string | undefined): Connection | undefined {
    // Whoever connected to us has proved no name: such a connection serves those alone who ask for none.
    const open = this.#connections.get(keyOf({ address, port, name: this.#proof(name) }));
    return open?.usable ? open : undefined;
  }

  #dial(origin: 'opened' | 'called back', address: string, port: number, name: string | undefined): Flow {
    if (!this.kind.dials) return this.#noWayTo(address, port);
    // Who is called back has made us dial: it counts as theirs.
    const refusal = origin === 'opened' ? this.#count.opened() : this.#count.accepted(address);
    if (refusal !== undefined) return this.#noWayTo(address, port);
    const proof = this.#proof(name);
    const wildcard = this.address === '0.0.0.0' || this.address === '::';
    const where = { host: address, port, ...(!wildcard && { localAddress: this.address }) };
    const socket = this.sockets.connect(where, proof || address, () => connection.establish());
    const connection = new Connection(origin, socket, address, port, proof, this);
    this.#remember(connection);
    return connection;
  }

  #proof(name = ''): string {
    return this.kind.dials && this.sockets.provesNames ? name : '';
  }

  #accept(socket: Socket): Established {
    const address = plainAddress(socket.remoteAddress ?? '');
    const port = socket.remotePort ?? 0;
    const refusal = this.#count.accepted(address);
    if (refusal !== undefined) {
      socket.on('error', () => {}); // it is of no interest any more
      socket.destroy();
      this.events.notAccepted(this.#noWayTo(address, port), refusal);
      return () => {};
    }
    const connection = new Connection('accepted', socket, address, port, '', this);
    this.#remember(connection);
    return () => connection.establish();
  }

  #remember(connection: Connection): void {
    this.#all.add(connection);
    this.#connections.set(keyOf(connection), connection);
  }

  #noWayTo(address: string, port: number): Flow {
    return { transport: this, address, port, send: () => false, hold: () => {}, release: () => {} };
  }
}

function keyOf({ address, port, name = '' }: { address: string; port: number; name?: string }): string {
  return `${address} ${port} ${name}`;
}
