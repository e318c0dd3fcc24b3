import type { Clock } from './clock.ts';
import type { Listener } from './transports/listen.ts';

export interface EdgeOptions {
  readonly listen: readonly Listener[];
  /** The address to announce instead of the bound ones, when the edge stands behind a NAT. */
  readonly externalIp?: string;
  /** What apps must know to connect. */
  readonly secret: string;
  /** Where apps connect: loopback unless told otherwise, on a free port. */
  readonly controlHost?: string;
  readonly controlPort?: number;
  readonly logger: Logger;
  readonly clock?: Clock;
}

export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface Edge {
  /** Every listening address as `udp/192.0.2.1:5060`, comma-separated: as the outside sees it, and as it is here. */
  readonly hostports: string;
  readonly localHostports: string;
  readonly control: { readonly host: string; readonly port: number };
  readonly counters: Readonly<Counters>;
  /** Closes every socket; apps and peers see their connections end. */
  stop(): Promise<void>;
}

export interface Counters {
  /** Requests that came in, retransmissions among them. */
  requests: number;
  retransmissions: number;
  /** Requests that the edge answered itself: 4xx, 5xx. */
  refused: number;
  /** Responses that came in. */
  responses: number;
  /** Messages that make no SIP message, answered or not. */
  malformed: number;
  /** What was thrown away without an answer. */
  dropped: number;
}
