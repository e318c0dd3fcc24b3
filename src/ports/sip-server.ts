import type { Header, SipRequest, SipResponse } from '../sip/message.ts';
import type { NextHop } from '../sip/next-hop.ts';

/** What a handler says to a request; the rest of the response follows from the request (RFC 3261 8.2.6). */
export interface SipAnswer {
  readonly status: number;
  /** Reason phrase; that of RFC 3261 21 when absent. */
  readonly reason?: string;
  /** An array of values becomes one header line each. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

export type SipHandler = (request: SipRequest) => Promise<SipAnswer>;

/** A request of ours, to be sent to one address. */
export interface OutboundRequest {
  readonly method: 'REGISTER' | 'OPTIONS';
  /** Request-URI. */
  readonly uri: string;
  /** Where the request is sent, whatever its Request-URI says. */
  readonly nextHop: NextHop;
  /**
   * Domain names of which, besides the host of the Request-URI, a TLS peer must prove one (RFC 5922 7.1): that of the
   * configured next hop first, which is also sent as SNI. A next hop that has only an address may be given by that.
   */
  readonly peerNames?: readonly string[];
  /**
   * Names in their usual spelling; an array of values becomes one header line each. Via, Max-Forwards, the From tag and,
   * when absent, Call-ID and CSeq are filled in.
   */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
}

/** Sends requests. */
export interface SipClient {
  /**
   * Sends a request and resolves with its final response.
   * @throws Unavailable when there is no SIP server, the connection to it is lost, it refuses to send, or no final
   * response comes within `deadlineMs`
   */
  request(request: OutboundRequest, deadlineMs: number): Promise<SipResponse>;
  /** Whether a listener has the transport and the address family of `hop`; true while the listeners are unknown. */
  canReach(hop: NextHop): boolean;
  /** Every listening address as the outside sees it: `udp/192.0.2.1:5060,tcp/192.0.2.1:5060`; '' before {@link SipServer.connect}. */
  readonly hostports: string;
}

/** The far end of a client's connection. */
export interface ConnectionPeer {
  /** IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
}

/** The connections (TCP, TLS, WebSocket) that clients have opened. */
export interface ClientConnections {
  /** Whether a connection from that address and port is open. */
  isOpen(address: string, port: number): boolean;
  /** Calls `listener` whenever a connection has ended, except by {@link SipServer.stop}. */
  onEnded(listener: (peer: ConnectionPeer) => void): void;
  /** Keeps a connection open beyond its idle limit as long as `needed` says so. */
  keepWhile(needed: (peer: ConnectionPeer) => boolean): void;
}

/** Decides from whom messages are taken. Addresses are IP addresses, IPv6 without brackets. */
export interface Screen {
  /** Whether nothing from an address is to be read; asked before every message is parsed. */
  isBanned(address: string): boolean;
  /** Asked with every request of any method. False: its source is banned, if only because of it. */
  admits(address: string, headers: readonly Header[]): boolean;
  /** A request from an address could not be read. */
  malformed(address: string): void;
  /** Calls `listener` with every network that is banned; see `networkOf`. */
  onBanned(listener: (network: string) => void): void;
}

/** Serves everyone. */
export const OPEN_TO_ALL: Screen = {
  isBanned: () => false,
  admits: () => true,
  malformed: () => {},
  onBanned: () => {},
};

/** What answers phones: a drachtio server, or the embedded edge. */
export interface SipServer extends SipClient {
  /** Has `handler` answer every request of a method; before {@link connect}. A handler that throws is answered for with 500. */
  handle(method: string, handler: SipHandler): void;
  /** Has `screen` keep intruders out, who get no response or 403; before {@link connect}. Without it everyone is served. */
  screen(screen: Screen): void;
  /** Resolves when requests are being received for the first time; reconnects by itself after that. */
  connect(): Promise<void>;
  /** Whether requests can be received and sent now. */
  readonly connected: boolean;
  /** Calls `listener` after every successful (re)connect. */
  onConnected(listener: () => void): void;
  /** Calls `listener` whenever the connection to the server is lost, except by {@link stop}. */
  onDisconnected(listener: () => void): void;
  /** The `ip:port` at which the platform's other servers reach this one; '' before {@link connect}. */
  readonly privateAddress: string;
  /** Undefined where the server does not report connections, as drachtio does not. */
  readonly connections: ClientConnections | undefined;
  /** Takes no further requests, answers those in progress for at most `graceMs`, then closes everything. */
  stop(graceMs: number): Promise<void>;
}
