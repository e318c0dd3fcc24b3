import type { Logger } from '../lib/logger.ts';
import type { Clock } from './clock.ts';
import type { ServerTransactionLimits } from './transactions/server-table.ts';
import type { ConnectionLimits } from './transports/connections.ts';
import type { ListenOptions } from './transports/listen.ts';
import type { Protocol } from './transports/transport.ts';

export interface EdgeOptions extends ListenOptions {
  /** What apps must know to connect. */
  readonly secret: string;
  /** Where apps connect: loopback unless told otherwise, on a free port. */
  readonly controlHost?: string;
  readonly controlPort?: number;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly limits?: Limits;
  /** Called when a connection has ended, unless {@link Edge.stop} has ended it. */
  readonly connectionClosed?: (connection: FarEnd) => void;
  /** Whether a connection over which requests came is to stay open though nothing was said on it for long. */
  readonly connectionNeeded?: (connection: FarEnd) => boolean;
}

/** Bounds that may be others than those of limits.ts. */
export interface Limits extends ConnectionLimits {
  readonly serverTransactions?: ServerTransactionLimits;
  readonly clientTransactions?: number;
  readonly keptBytes?: number;
}

/** The far end of a connection: whoever has registered over it can be reached there as long as it lasts. */
export interface FarEnd {
  readonly protocol: Protocol;
  /** The peer's IP address; IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
}

export interface Edge {
  /** Every listening address as `udp/192.0.2.1:5060`, comma-separated: as the outside sees it, and as it is here. */
  readonly hostports: string;
  readonly localHostports: string;
  readonly control: { readonly host: string; readonly port: number };
  readonly counters: Readonly<Counters>;
  readonly holding: Holding;
  /**
   * Reads the certificate and its key again; open connections stay, new ones see the new ones. Nothing happens without TLS.
   * @throws CertificateError when they cannot be used: the old ones stay
   */
  reloadCertificates(): void;
  /** Whether a connection from there is open. @param address IPv6 without brackets */
  isConnected(address: string, port: number): boolean;
  /** Closes every socket; apps and peers see their connections end. */
  stop(): Promise<void>;
}

/** How many of each the edge holds now. */
export interface Holding {
  readonly connections: number;
  /** Requests that came over them and wait for an answer. */
  readonly requestsUnderWay: number;
  /** Bytes that were read from them and cannot be dealt with yet. */
  readonly keptBytes: number;
  /** Requests of the last 32 s, answered or not. */
  readonly serverTransactions: number;
  /** Requests of apps without a final answer, and those whose answer came over UDP a moment ago. */
  readonly clientTransactions: number;
}

/** What has happened since the edge was started. */
export interface Counters {
  /** Requests that came in, retransmissions among them. */
  requests: number;
  retransmissions: number;
  /** What the edge answered itself, with 4xx or 5xx: requests, and what was malformed. */
  refused: number;
  /** Responses that came in. */
  responses: number;
  /** Messages that make no SIP message, answered or not. */
  malformed: number;
  /** What was thrown away without an answer. */
  dropped: number;
}
