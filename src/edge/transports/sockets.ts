import {
  createServer,
  isIP,
  connect as netConnect,
  type Server,
  type Socket,
  type TcpSocketConnectOpts,
} from 'node:net';
import { connect as tlsConnect, createServer as tlsServer } from 'node:tls';
import type { Certificates } from './certificates.ts';

/** Called when a connection can carry messages: immediately, or after the TLS handshake. */
export type Established = () => void;

export interface Sockets {
  /** Whether a peer must prove the name that is given to {@link connect}. */
  readonly provesNames: boolean;
  /** Calls `accept` for each connection at once, and what it returns when the connection is established. */
  server(accept: (socket: Socket) => Established): Server;
  /** @param name of the peer, a domain name or an address */
  connect(options: TcpSocketConnectOpts, name: string, established: Established): Socket;
}

const OPTIONS = { noDelay: true, keepAlive: true } as const;

export const tcpSockets: Sockets = {
  provesNames: false,
  server: (accept) => createServer(OPTIONS, (socket) => accept(socket)()),
  connect: (options, _name, established) => netConnect({ ...OPTIONS, ...options }, established),
};

/** RFC 3261 26.3.1, RFC 5922 7.3: servers prove their name, clients do not. */
export function tlsSockets(certificates: Certificates): Sockets {
  return {
    provesNames: certificates.verify,
    server(accept) {
      const handshakes = new WeakMap<Socket, Established>();
      const server = tlsServer({
        ...OPTIONS,
        ...certificates.first,
        SNICallback: (name, done) => done(null, certificates.named(name)),
      });
      server.on('connection', (socket: Socket) => handshakes.set(socket, accept(socket)));
      server.on('secureConnection', (socket) => handshakes.get(socket)?.());
      certificates.onChange((first) => server.setSecureContext(first));
      return server;
    },
    connect: (options, name, established) =>
      tlsConnect(
        { ...OPTIONS, ...options, ...certificates.clientOptions, servername: isIP(name) ? '' : name },
        established,
      ),
  };
}
