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

/** Called once a connection can carry messages: at once, or after the handshake of TLS. */
export type Established = () => void;

/** What connections are made of: bare TCP, or TLS over it. */
export interface Sockets {
  /** Whether a peer that we connect to must prove the name that it is given in `connect`. */
  readonly provesNames: boolean;
  /** `accept` is given each connection as soon as it is there, and returns what to call when it is established. */
  server(accept: (socket: Socket) => Established): Server;
  /** Connects to a peer that has to be `name`, a domain name or an address. */
  connect(options: TcpSocketConnectOpts, name: string, established: Established): Socket;
}

const OPTIONS = { noDelay: true, keepAlive: true } as const;

export const tcpSockets: Sockets = {
  provesNames: false,
  server: (accept) => createServer(OPTIONS, (socket) => accept(socket)()),
  connect: (options, _name, established) => netConnect({ ...OPTIONS, ...options }, established),
};

/** RFC 3261 26.3.1, RFC 5922 7.3: a server proves its name, clients are not asked for theirs. */
export function tlsSockets(certificates: Certificates): Sockets {
  return {
    provesNames: certificates.verify,
    server(accept) {
      const shaking = new WeakMap<Socket, Established>();
      const server = tlsServer({
        ...{ ...OPTIONS, ...certificates.first },
        SNICallback: (name, done) => done(null, certificates.named(name)),
      });
      server.on('connection', (socket: Socket) => shaking.set(socket, accept(socket)));
      server.on('secureConnection', (socket) => shaking.get(socket)?.());
      certificates.onChange((first) => server.setSecureContext(first));
      return server;
    },
    connect: (options, name, established) =>
      tlsConnect({ ...OPTIONS, ...options, ...certificates.theirs, servername: isIP(name) ? '' : name }, established),
  };
}
