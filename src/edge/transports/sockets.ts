import { createServer, connect as netConnect, type Server, type Socket, type TcpSocketConnectOpts } from 'node:net';
import { connect as tlsConnect, createServer as tlsServer } from 'node:tls';
import type { Certificates } from './certificates.ts';
import { ANY_PEER, type PeerNames, provenName, WrongCertificate } from './peer-names.ts';

/** Called when a connection can carry messages: immediately, or after the TLS handshake. */
export type Established = () => void;

export interface Sockets {
  /** What makes a difference to a connection: two requests may share one only if they agree in it. */
  relevant(names: PeerNames): PeerNames;
  /** Calls `accept` for each connection at once, and what it returns when the connection is established. */
  server(accept: (socket: Socket) => Established): Server;
  /** @param established is given the name that the peer has proved; '' without verification */
  connect(options: TcpSocketConnectOpts, names: PeerNames, established: (proved: string) => void): Socket;
}

const OPTIONS = { noDelay: true, keepAlive: true } as const;

export const tcpSockets: Sockets = {
  relevant: () => ANY_PEER,
  server: (accept) => createServer(OPTIONS, (socket) => accept(socket)()),
  connect: (options, _names, established) => netConnect({ ...OPTIONS, ...options }, () => established('')),
};

/** RFC 3261 26.3.1, RFC 5922 7.3: servers prove their name, clients do not. */
export function tlsSockets(certificates: Certificates): Sockets {
  return {
    relevant: (names) => (certificates.verify ? names : { ...names, accepted: [] }),
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
    connect(options, { sni, accepted }, established) {
      let proved = '';
      const socket = tlsConnect(
        {
          ...OPTIONS,
          ...options,
          ...certificates.clientOptions,
          servername: sni,
          // Called once the chain is verified; without verification the runtime ignores the result.
          checkServerIdentity(_host, certificate) {
            proved = provenName(accepted, certificate) ?? '';
            return proved === '' ? new WrongCertificate(accepted, certificate) : undefined;
          },
        },
        () => established(proved),
      );
      return socket;
    },
  };
}
