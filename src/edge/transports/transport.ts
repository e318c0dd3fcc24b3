import { joinHostPort } from '../../sip/ip.ts';
import type { MalformedMessage, ParsedMessage, Wire } from '../../sip/message.ts';

/** The transports of the edge, as they are called in a list of addresses to listen on and in `hostports`. */
export type Protocol = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss';

/**
 * Where a message came from, and the way back: a datagram's source, or a connection. Answers go out on the flow of their
 * request, whatever its Via says.
 */
export interface Flow {
  readonly transport: Transport;
  /** The peer's IP address; IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
  /** Hands a message to the network, which may lose it. False: the flow has ended and nothing was sent. */
  send(message: Wire): boolean;
  /** A request that came on it waits for its answer: a connection with too many of them is not read any further. */
  hold(): void;
  /** One that waited has its answer, or will get none. */
  release(): void;
}

/** One listening address. Each transport is one file with a function `listen…` that resolves to one of these. */
export interface Transport {
  readonly protocol: Protocol;
  /** The protocol as apps are told: drachtio calls WebSocket by what is under it, and leaves the rest to the top Via. */
  readonly toldAs: 'udp' | 'tcp' | 'tls';
  /** The protocol as a Via names it. */
  readonly viaProtocol: string;
  /** The port that goes without saying (RFC 3261 19.1.2). */
  readonly defaultPort: number;
  /** Whether the transport itself makes up for losses, so that transactions need not (RFC 3261 17). */
  readonly reliable: boolean;
  /** The address that was bound, IPv6 without brackets, and the real port when port 0 was asked for. */
  readonly address: string;
  readonly port: number;
  /** Whether a connection to that peer is open. */
  connectedTo(address: string, port: number): boolean;
  /**
   * The way to a peer: an open connection to it, a new one, or just its address; one that has ended when there is none.
   * Failure is told by `unreachable` and `closed`.
   * @param name whom the peer must prove to be, where a transport has proofs; its address unless it is given
   */
  flowTo(address: string, port: number, name?: string): Flow;
  /** The same to a client whose connection has ended before its request was answered (RFC 3261 18.2.2). */
  callBack(address: string, port: number, name?: string): Flow;
  /** Accepts no connection and processes nothing more; what is sent still goes out. */
  stopReading(): void;
  /** Stops listening, sends what is waiting and ends every connection. */
  close(): Promise<void>;
}

/** What a transport tells the edge. */
export interface TransportEvents {
  /** @param bytes its length on the wire */
  message(message: ParsedMessage, flow: Flow, bytes: number): void;
  malformed(error: MalformedMessage, flow: Flow): void;
  /** Bytes that were not worth an answer were dropped. */
  dropped(flow: Flow | undefined, why: string): void;
  /** A message could not be dealt with for a reason that nobody foresaw. */
  fault(flow: Flow, error: unknown): void;
  /** Somebody has too many connections, or all together have. */
  notAccepted(flow: Flow, why: string): void;
  /** Nobody listens at the far end; what was sent there last is lost. */
  unreachable(transport: Transport, address: string, port: number): void;
  /** Nothing was said on a connection for long, over which requests came. True: it is to stay open. */
  idle(flow: Flow): boolean;
  /** A connection of ours did not come about. `closed` follows. */
  notConnected(flow: Flow, why: string): void;
  /** A connection has ended; what was sent there last may be lost. */
  closed(flow: Flow): void;
  /** The network refused a datagram, but does not say which; every destination is suspect. */
  refused(transport: Transport): void;
}

/** An address could not be listened on. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  constructor(
    readonly protocol: string,
    readonly host: string,
    readonly port: number,
    /** `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES` … */
    readonly code: string,
  ) {
    const why =
      { EADDRINUSE: 'is in use', EADDRNOTAVAIL: 'is not an address of this machine', EACCES: 'is not permitted' }[
        code
      ] ?? `cannot be listened on (${code})`;
    super(`${formatListener(protocol, host, port)} ${why}`);
  }
}

/** `udp/192.0.2.1:5060`, `tcp/[2001:db8::1]:5060`. */
export function formatListener(protocol: string, host: string, port: number): string {
  return `${protocol}/${joinHostPort(host, port)}`;
}

/** The address of a peer as everyone writes it: IPv4 that came in on an IPv6 socket is IPv4. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
