import type { Logger } from '../lib/logger.ts';
import type { Timers } from '../lib/timers.ts';
import type { ServerTransactionLimits } from './transactions/server-table.ts';
import type { ConnectionLimits } from './transports/connections.ts';
import type { ListenOptions } from './transports/listen.ts';

export interface LayerOptions extends ListenOptions {
  readonly logger: Logger;
  readonly timers?: Timers;
  readonly limits?: Limits;
}

export interface EdgeOptions extends LayerOptions {
  /** The platform's own networks, preferred for {@link SipServer.privateAddress}. */
  readonly networks?: readonly { contains(address: string): boolean }[];
}

/** Values that replace those of limits.ts. */
interface Limits extends ConnectionLimits {
  readonly serverTransactions?: ServerTransactionLimits;
  readonly clientTransactions?: number;
  readonly keptBytes?: number;
}

export interface Holding {
  readonly connections: number;
  /** Requests over connections without a final response. */
  readonly requestsUnderWay: number;
  readonly keptBytes: number;
  /** Requests of the last 32 s, answered or not. */
  readonly serverTransactions: number;
  /** Requests of ours without a final response, or within T4 of it on UDP. */
  readonly clientTransactions: number;
}

/** Events since the start. */
export interface Counters {
  /** Including retransmissions. */
  requests: number;
  retransmissions: number;
  /** Requests and malformed messages that the edge itself answered, with 4xx or 5xx. */
  refused: number;
  responses: number;
  malformed: number;
  /** Messages and connections discarded without a response, except those of banned sources. */
  dropped: number;
  /** Messages and connections of banned sources, discarded. */
  banned: number;
}
