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

export interface StreamKind {
  readonly protocol: Protocol;
  readonly baseProtocol: 'tcp' | 'tls';
  readonly viaProtocol: string;
  readonly defaultPort: number;
  /** Whether we may open connections; only clients open WebSockets (RFC 7118 4.1). */
  readonly dials: boolean;
  readonly session: (events: SessionEvents) => Session;
}

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
  readonly baseProtocol: 'tcp' | 'tls';
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
  /** By {@link keyOf}; the later of two connections from one port to two of our addresses. */
  readonly #connections = new Map<string, Connection>();
  #closing = false;
  #closed: Promise<unknown> | undefined;

  constructor(
    private readonly kind: StreamKind,
    private readonly sockets: Sockets,
    { events, timers, count, share, kept }: StreamContext,
  ) {
    const { protocol, baseProtocol, viaProtocol, defaultPort } = kind;
    this.protocol = protocol;
    this.baseProtocol = baseProtocol;
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
      if (connection.served && events.idle(connection)) connection.restartIdle();
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
        // From here on an error is a connection that could not be accepted, such as too many open files.
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
    // A connection from a client has proved no name.
    const open = this.#connections.get(keyOf({ address, port, name: this.#proof(name) }));
    return open?.usable ? open : undefined;
  }

  #dial(origin: 'opened' | 'called back', address: string, port: number, name: string | undefined): Flow {
    if (!this.kind.dials) return this.#endedFlow(address, port);
    // A client whose response takes a new connection counts as its source.
    const refusal = origin === 'opened' ? this.#count.opened() : this.#count.accepted(address);
    if (refusal !== undefined) return this.#endedFlow(address, port);
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
      socket.on('error', () => {});
      socket.destroy();
      this.events.notAccepted(this.#endedFlow(address, port), refusal);
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

  #endedFlow(address: string, port: number): Flow {
    return {
      transport: this,
      address,
      port,
      sendingTo: () => this.#endedFlow(address, port),
      send: () => false,
      hold: () => {},
      release: () => {},
    };
  }
}

function keyOf({ address, port, name = '' }: { address: string; port: number; name?: string }): string {
  return `${address} ${port} ${name}`;
}
