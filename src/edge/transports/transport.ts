import { whyNotListen } from '../../lib/why-not-listen.ts';
import { joinHostPort } from '../../sip/ip.ts';
import type { MalformedMessage, ParsedMessage, Wire } from '../../sip/message.ts';
import type { PeerNames } from './peer-names.ts';

/** As in listening addresses and `hostports`. */
export type Protocol = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss';

/** Why something is discarded without a response, apart from bans; labels of metrics. */
export const DROP_CAUSES = [
  'malformed',
  'stray response',
  'bad datagram',
  'socket buffer full',
  'handshake',
  'WebSocket',
  'not accepted',
  'stopping',
  'fault',
] as const;
export type DropCause = (typeof DROP_CAUSES)[number];

/** The source of a datagram, or a connection. Responses take the flow of their request. */
export interface Flow {
  readonly transport: Transport;
  /** The peer's address, IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
  /** The same flow, but what is sent by UDP goes to another port of the peer (RFC 3261 18.2.2). */
  sendingTo(port: number): Flow;
  /** Sends a message, which the network may lose; false when the flow has ended. */
  send(message: Wire): boolean;
  /** Counts an unanswered request; reading from a connection with too many pauses. */
  hold(): void;
  /** Undoes {@link hold} when the request is answered or given up. */
  release(): void;
  /** Whether it is a connection that is open, so that messages could pass before now. */
  readonly established: boolean;
  /** Why nothing can be sent any more, once it has ended. */
  readonly why: string;
  /** Takes the flow out of use for later requests, because the peer did not respond on it. */
  retire(): void;
}

export interface Transport {
  readonly protocol: Protocol;
  /** The protocol, or the one below WebSocket. */
  readonly baseProtocol: 'udp' | 'tcp' | 'tls';
  readonly viaProtocol: string;
  /** RFC 3261 19.1.2. */
  readonly defaultPort: number;
  /** Whether the transport retransmits, so that transactions need not (RFC 3261 17). */
  readonly reliable: boolean;
  /** The bound address, IPv6 without brackets, and port. */
  readonly address: string;
  readonly port: number;
  connectedTo(address: string, port: number): boolean;
  /** Closes the connections of a network's clients; see `networkOf`. */
  disconnect(network: string): void;
  /**
   * A flow to a peer, over an open connection if there is one; an ended flow if none can be opened. Failures are
   * reported by {@link TransportEvents}.
   * @param names of the peer, for TLS
   */
  flowTo(address: string, port: number, names: PeerNames): Flow;
  /** The same, to a client whose connection ended before the response (RFC 3261 18.2.2). */
  callBack(address: string, port: number, names: PeerNames): Flow;
  /** Accepts no connection and processes nothing more; {@link Flow.send} still works. */
  stopReading(): void;
  /** Sends pending messages and closes every socket. */
  close(): Promise<void>;
}

export interface TransportEvents {
  /** Whether a datagram or connection from an address is to be discarded unread. */
  isBanned(address: string): boolean;
  /** @param bytes length on the wire */
  message(message: ParsedMessage, flow: Flow, bytes: number): void;
  malformed(error: MalformedMessage, flow: Flow): void;
  /** Bytes or a connection were discarded without a response. @param why for the log */
  dropped(flow: Flow | undefined, cause: DropCause, why: string): void;
  /** Processing a message threw an unexpected error. */
  fault(flow: Flow, error: unknown): void;
  notAccepted(flow: Flow, why: string): void;
  /** The address does not accept datagrams; the last ones are lost. */
  unreachable(transport: Transport, address: string, port: number, why: string): void;
  /** A connection that carried requests is idle. Returns whether it stays open. */
  idle(flow: Flow): boolean;
  /** A connection of ours failed to open. {@link closed} follows. */
  notConnected(flow: Flow, why: string): void;
  /** A connection has ended; the last messages may be lost. */
  closed(flow: Flow): void;
  /** The kernel has granted a smaller receive buffer than asked for, bytes. */
  smallReceiveBuffer(granted: number, asked: number): void;
  /** An ICMP error for one of the datagrams sent; which one is unknown. */
  refused(transport: Transport): void;
}

/** We cannot listen on an address; the message is one line with the remedy. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  constructor(
    readonly protocol: string,
    readonly host: string,
    readonly port: number,
    /** `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES` … */
    readonly code: string,
  ) {
    const why = whyNotListen({ udp: protocol === 'udp', port, code, remedy: 'name another with --sip' });
    super(`${formatListener(protocol, host, port)} ${why}`);
  }
}

/** `udp/192.0.2.1:5060`, `tcp/[2001:db8::1]:5060`. */
export function formatListener(protocol: string, host: string, port: number): string {
  return `${protocol}/${joinHostPort(host, port)}`;
}

/** Turns an IPv4-mapped IPv6 address into IPv4. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
