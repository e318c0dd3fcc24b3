import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as netConnect, type Server, type Socket } from 'node:net';
import { type TlsOptions as TlsServerOptions, connect as tlsConnect, createServer as tlsServer } from 'node:tls';
import type { Listener, TlsOptions } from '../../src/edge/index.ts';
import { TestAuthority, type TestCertificate } from '../support/certificates.ts';
import { type Inbox, TcpPeer } from './support.ts';
import { WsPeer } from './ws-peer.ts';

export type StreamProtocol = Exclude<Listener['proto'], 'udp'>;
export const STREAMS = ['tcp', 'tls', 'ws', 'wss'] as const satisfies readonly StreamProtocol[];

export function isSecure(proto: StreamProtocol): boolean {
  return proto === 'tls' || proto === 'wss';
}

// Each is made on first use, because openssl is slow.
let made: TestAuthority | undefined;
let other: TestAuthority | undefined;
let serves: TestCertificate | undefined;
export const authority = {
  get own(): TestAuthority {
    made ??= new TestAuthority();
    return made;
  },
  /** One that the edge does not trust. */
  get stranger(): TestAuthority {
    other ??= new TestAuthority();
    return other;
  },
  get ca(): string {
    return readFileSync(this.own.caFile, 'utf8');
  },
  server({ certFile, keyFile }: TestCertificate, options: TlsServerOptions = {}): Server {
    return tlsServer({ cert: readFileSync(certFile), key: readFileSync(keyFile), ...options });
  },
};

/** TLS options of an edge on loopback that trusts our authority. */
export function serverTls(): TlsOptions {
  return { certificates: [serverCertificate()], ca: authority.ca };
}

export function serverCertificate(): TestCertificate {
  serves ??= authority.own.certificate(['sip.edge.test'], ['127.0.0.1', '127.0.0.2', '::1']);
  return serves;
}

/** Connects by TCP or TLS. @throws when the certificate is not valid for the address */
export async function openSocket(proto: StreamProtocol, port: number, host = '127.0.0.1', localAddress?: string) {
  const where = { host, port, ...(localAddress !== undefined && { localAddress }) };
  const secure = isSecure(proto);
  const socket: Socket = secure ? tlsConnect({ ...where, ca: authority.ca }) : netConnect(where);
  await once(socket, secure ? 'secureConnect' : 'connect');
  return socket;
}

/** A phone on a stream. */
export interface StreamPeer extends Disposable {
  readonly socket: Socket;
  readonly address: string;
  readonly port: number;
  readonly closed: Promise<void>;
  /** Messages and CRLFs received. */
  readonly inbox: Inbox<string>;
  /** Sends a message, or CRLFs. */
  send(text: string): void;
  /** The bytes that {@link send} writes. */
  encode(text: string): Buffer;
  /** The same in two pieces, without the last byte. */
  pieces(text: string): Buffer[];
  next(what?: string): Promise<string>;
}

export async function openStream(
  proto: StreamProtocol,
  port: number,
  host?: string,
  localAddress?: string,
): Promise<StreamPeer> {
  const socket = await openSocket(proto, port, host, localAddress);
  return proto === 'ws' || proto === 'wss' ? WsPeer.open(socket) : new PlainPeer(socket);
}

class PlainPeer extends TcpPeer implements StreamPeer {
  get address(): string {
    return this.socket.localAddress ?? '';
  }

  encode(text: string): Buffer {
    return Buffer.from(text);
  }

  pieces(text: string): Buffer[] {
    return piecesOf(this.encode(text));
  }
}

/** The bytes in two pieces, without the last byte. */
export function piecesOf(bytes: Buffer): Buffer[] {
  const middle = bytes.length >> 1;
  return [bytes.subarray(0, middle), bytes.subarray(middle, -1)];
}
