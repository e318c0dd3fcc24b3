/*
 * Every bound of the edge but those of one message head, which are in sip/head.ts. Over a bound a request is refused or a
 * connection closed, so that memory stays bounded.
 */

/** Bytes of one message on a stream: as many as a UDP datagram holds, so that all transports are alike. */
export const MAX_MESSAGE_BYTES = 65_536;

/**
 * Server transactions, unanswered and answered, 1.2 KB each: answers to 2 000 requests a second for 4 s, in which a client
 * repeats a request three times (timer E of RFC 3261 17.1.2.2). At a lower rate answers are kept for 32 s. A repeated
 * request whose answer is forgotten is processed again, which changes no binding. Each live megabyte lets the heap grow by
 * three under a flood. Requests are refused only when all of these are unanswered.
 */
export const MAX_SERVER_TRANSACTIONS = 8192;

/** Bytes that server transactions keep, 1 KiB each; over it, the same happens. */
export const MAX_SERVER_TRANSACTION_BYTES = 8 * 1024 * 1024;

/** A longer response is not kept for retransmission. Ours have some 500 bytes, with ten contacts 2 KiB. */
export const MAX_KEPT_ANSWER_BYTES = 4096;

/** Retransmissions of one response: by timer E a client sends a request eleven times in 32 s (RFC 3261 17.1.2.2). */
export const MAX_RESENDS = 10;

/** Requests of ours without a final response. Registrations and pings are paced, so that few are in progress. */
export const MAX_CLIENT_TRANSACTIONS = 16_384;

/** Bytes of the HTTP request that opens a WebSocket: 1 KiB from browsers, more with cookies. */
export const MAX_UPGRADE_BYTES = 8_192;

/** SIP connections in all: below the usual limit of open files of a service, 16 384. */
export const MAX_CONNECTIONS = 10_000;

/** SIP connections from one source: enough for a household behind one NAT. Loopback and trusted sources are exempt. */
export const MAX_CONNECTIONS_PER_SOURCE = 20;

/** Time for a message that has begun to be complete, because a slow peer occupies a buffer. */
export const HALF_OPEN_MS = 10_000;

/**
 * Idle time after which a connection is closed, unless it is needed ({@link ClientConnections.keepWhile}): most phones
 * send keep-alives more often, but not all.
 */
export const IDLE_MS = 15 * 60_000;

/** Time for a connection that the edge opens, well within the 32 s of its client transaction. */
export const CONNECT_MS = 10_000;

/** Unsent bytes for one peer that does not read: four of the largest messages. */
export const MAX_UNSENT_BYTES = 4 * MAX_MESSAGE_BYTES;

/**
 * Bytes read from connections and not processed yet: a thousand of the largest messages. The runtime reads up to
 * 128 KiB ahead on a paused connection, which count when reading resumes.
 */
export const MAX_KEPT_BYTES = 1000 * MAX_MESSAGE_BYTES;

/**
 * Receive buffer of a UDP socket: 2 000 phones that register at once, each datagram some 2 KiB with the kernel's
 * bookkeeping. Linux gives 208 KiB by default, a hundred phones.
 */
export const UDP_RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

/** Datagrams that wait for a full socket buffer of the kernel; over it the oldest are dropped. */
export const MAX_UNSENT_DATAGRAMS = 4096;

/** Peers remembered to have no TCP, for requests that are too long for UDP: as many as carriers have gateways. */
export const MAX_PEERS_WITHOUT_TCP = 10_000;

/** RFC 3261 18.1.1: a longer request goes by a congestion-controlled transport if the path MTU is unknown. */
export const MAX_UDP_REQUEST_BYTES = 1300;

/** Unanswered requests of one connection, at which reading pauses, so that one connection cannot delay all others. */
export const MAX_REQUESTS_PER_CONNECTION = 64;

/** The same over all connections, which share it (fair-share.ts): a tenth to a quarter of a second of work. */
export const MAX_REQUESTS_OVER_CONNECTIONS = 512;

/**
 * Unanswered requests over all transports, some 6 KB each: half a second to a second of work, and twice the burst of
 * {@link UDP_RECEIVE_BUFFER_BYTES}. Further requests are answered 503.
 */
export const MAX_REQUESTS_IN_PROGRESS = 4096;
