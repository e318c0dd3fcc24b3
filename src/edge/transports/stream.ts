import type { Server, Socket } from 'node:net';
import type { Timers } from '../../lib/timers.ts';
import { networkOf } from '../../sip/ip.ts';
import { DelayQueue } from '../delay-queue.ts';
import { CONNECT_MS, HALF_OPEN_MS, IDLE_MS } from '../limits.ts';
import { Connection, type ConnectionContext, type Session, type SessionEvents } from './connection.ts';
import type { ConnectionCount } from './connections.ts';
import type { FairShare } from './fair-share.ts';
import type { KeptBytes } from './kept-bytes.ts';
import { ANY_PEER, type PeerNames } from './peer-names.ts';
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
    this.connecting = new DelayQueue(CONNECT_MS, timers, (connection) => connection.destroy('connection timed out'));
    this.halfOpen = new DelayQueue(HALF_OPEN_MS, timers, (connection) => connection.destroy('it took too long'));
    this.idle = new DelayQueue(IDLE_MS, timers, (connection) => {
      if (connection.served && events.idle(connection)) connection.restartIdle();
      else connection.destroy('idle for too long');
    });
    this.#server = sockets.server((socket) => this.#accept(socket));
  }

  /** @param shared see {@link ListenOptions.sharePorts} @throws ListenError */
  listen(host: string, port: number, shared: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) =>
        reject(new ListenError(this.protocol, host, port, error.code ?? error.message)),
      );
      this.#server.listen({ host, port, reusePort: shared }, () => {
        const bound = this.#server.address();
        if (bound && typeof bound === 'object') {
          this.address = bound.address;
          this.port = bound.port;
        }
        // From here on an error is a connection that could not be accepted, such as too many open files.
        this.#server.removeAllListeners('error');
        this.#server.on('error', (error) => this.events.dropped(undefined, 'not accepted', error.message));
        resolve();
      });
    });
  }

  connectedTo(address: string, port: number): boolean {
    const known = this.#connections.get(keyOf(address, port));
    return known ? known.established && known.usable : false;
  }

  /** One that we opened leads to a peer of our choice, and stays. */
  disconnect(network: string): void {
    for (const connection of this.#all) {
      const { origin, address } = connection;
      if (origin !== 'opened' && networkOf(address) === network && this.events.isBanned(address))
        connection.destroy('its source is banned');
    }
  }

  flowTo(address: string, port: number, names: PeerNames): Flow {
    return this.#openTo(address, port, names) ?? this.#dial('opened', address, port, names);
  }

  callBack(address: string, port: number, names: PeerNames): Flow {
    return this.#openTo(address, port, names) ?? this.#dial('called back', address, port, names);
  }

  session(events: SessionEvents): Session {
    return this.kind.session(events);
  }

  /** One that a client opened is in the client's hands, and stays. */
  retired(connection: Connection): void {
    if (connection.origin !== 'accepted') this.#unlist(connection);
  }

  ended(connection: Connection): void {
    const { origin, address, established, why } = connection;
    this.#count.ended(origin === 'opened' ? undefined : address);
    this.#all.delete(connection);
    this.#unlist(connection);
    if (this.#closing) return;
    if (!established) {
      if (origin === 'opened') this.events.notConnected(connection, why);
      else
        this.events.dropped(
          connection,
          'handshake',
          `no ${origin === 'accepted' ? 'handshake' : 'connection'}: ${why}`,
        );
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

  #openTo(address: string, port: number, names: PeerNames): Connection | undefined {
    const { sni, accepted } = this.#relevant(names);
    // While a connection opens, its peer has proved no name yet.
    for (const proof of [accepted.join(' '), ...accepted]) {
      const open = this.#connections.get(keyOf(address, port, sni, proof));
      if (open?.usable) return open;
    }
    return undefined;
  }

  #dial(origin: 'opened' | 'called back', address: string, port: number, names: PeerNames): Flow {
    if (!this.kind.dials) return this.#endedFlow(address, port, 'the client has closed its connection');
    if (origin === 'called back' && this.events.isBanned(address)) return this.#endedFlow(address, port, 'banned');
    // A client whose response takes a new connection counts as its source.
    const refusal = origin === 'opened' ? this.#count.opened() : this.#count.accepted(address);
    if (refusal !== undefined) return this.#endedFlow(address, port, refusal);
    const relevant = this.#relevant(names);
    const { sni, accepted } = relevant;
    const wildcard = this.address === '0.0.0.0' || this.address === '::';
    const where = { host: address, port, ...(!wildcard && { localAddress: this.address }) };
    const socket = this.sockets.connect(where, relevant, (proved) => {
      this.#unlist(connection);
      this.#list(connection, keyOf(address, port, sni, proved));
      connection.establish();
    });
    const connection = new Connection(origin, socket, address, port, this);
    this.#all.add(connection);
    this.#list(connection, keyOf(address, port, sni, accepted.join(' ')));
    return connection;
  }

  #relevant(names: PeerNames): PeerNames {
    return this.kind.dials ? this.sockets.relevant(names) : ANY_PEER;
  }

  #accept(socket: Socket): Established {
    const address = plainAddress(socket.remoteAddress ?? '');
    const port = socket.remotePort ?? 0;
    if (this.events.isBanned(address)) return discard(socket);
    const refusal = this.#count.accepted(address);
    if (refusal !== undefined) {
      this.events.notAccepted(this.#endedFlow(address, port, refusal), refusal);
      return discard(socket);
    }
    const connection = new Connection('accepted', socket, address, port, this);
    this.#all.add(connection);
    this.#list(connection, keyOf(address, port));
    return () => connection.establish();
  }

  #list(connection: Connection, key: string): void {
    connection.key = key;
    this.#connections.set(key, connection);
  }

  #unlist(connection: Connection): void {
    if (this.#connections.get(connection.key) === connection) this.#connections.delete(connection.key);
  }

  #endedFlow(address: string, port: number, why: string): Flow {
    const flow: Flow = {
      transport: this,
      address,
      port,
      established: false,
      why,
      sendingTo: () => flow,
      send: () => false,
      hold: () => {},
      release: () => {},
      retire: () => {},
    };
    return flow;
  }
}

function discard(socket: Socket): Established {
  socket.on('error', () => {});
  socket.destroy();
  return () => {};
}

/** A request that names no peer, as one to an address does, shares the connections of clients, who prove nothing. */
function keyOf(address: string, port: number, sni = '', proof = ''): string {
  return sni === '' ? `${address} ${port}` : `${address} ${port} ${sni} ${proof}`;
}
