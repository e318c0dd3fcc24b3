import type { Logger } from '../lib/logger.ts';
import type { Timers } from '../lib/timers.ts';
import type { ServerTransactionLimits } from './transactions/server-table.ts';
import type { ConnectionLimits } from './transports/connections.ts';
import type { ListenOptions } from './transports/listen.ts';

/** What the transaction layer and the transports below it are made with. */
export interface LayerOptions extends ListenOptions {
  readonly logger: Logger;
  readonly timers?: Timers;
  readonly limits?: Limits;
}

export interface EdgeOptions extends LayerOptions {
  /** The platform's own networks: an address inside them is preferred as {@link SipServer.privateAddress}. */
  readonly networks?: readonly { contains(address: string): boolean }[];
}

/** Replacements for the bounds of limits.ts. */
export interface Limits extends ConnectionLimits {
  readonly serverTransactions?: ServerTransactionLimits;
  readonly clientTransactions?: number;
  readonly keptBytes?: number;
}

/** How many of each the edge holds now. */
export interface Holding {
  readonly connections: number;
  /** Requests that came over connections and have no final response yet. */
  readonly requestsUnderWay: number;
  /** Bytes read from connections and not processed yet. */
  readonly keptBytes: number;
  /** Requests of the last 32 s, answered or not. */
  readonly serverTransactions: number;
  /** Requests of ours without a final response, and those whose response came over UDP less than T4 ago. */
  readonly clientTransactions: number;
}

/** Events since the edge was started. */
export interface Counters {
  /** Requests received, retransmissions among them. */
  requests: number;
  retransmissions: number;
  /** Requests and malformed messages that the edge itself answered with 4xx or 5xx. */
  refused: number;
  /** Responses received. */
  responses: number;
  /** Messages that could not be parsed, answered or not. */
  malformed: number;
  /** Messages and connections discarded without an answer. */
  dropped: number;
}
