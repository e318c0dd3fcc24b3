/*
 * Every bound of the edge but those of one message head, which are in sip/head.ts. Over a bound a request is refused or a
 * connection closed; memory never grows without end.
 */

/** Bytes of one message on a stream: what fits into a UDP datagram, so that no transport can do more than another. */
export const MAX_MESSAGE_BYTES = 65_536;

/**
 * Server transactions kept, open and answered: 32 s of 2 000 requests a second, some 80 MB. Beyond that rate answers are
 * remembered for less than 32 s; requests are refused only when all of these are unanswered.
 */
export const MAX_SERVER_TRANSACTIONS = 65_536;

/** Bytes of what these keep, requests and then answers: 1 KiB for each of them. Beyond it, the same happens. */
export const MAX_SERVER_TRANSACTION_BYTES = 64 * 1024 * 1024;

/** An answer longer than this is not remembered. Ours have some 500 bytes, one with ten contacts 2 KiB. */
export const MAX_KEPT_ANSWER_BYTES = 4096;

/** RFC 3261 17.1.2.2: by its timer E a client sends a request eleven times in 32 s. */
export const MAX_RESENDS = 10;

/** Requests of ours without a final answer. Registrations and pings are paced; they do not flood. */
export const MAX_CLIENT_TRANSACTIONS = 16_384;

/** Bytes of the HTTP request that opens a WebSocket: browsers send 1 KiB, more with cookies; servers allow as much. */
export const MAX_UPGRADE_BYTES = 8_192;

/** SIP connections in all: below the usual limit of open files, 16 384 or more for a service. */
export const MAX_CONNECTIONS = 10_000;

/**
 * SIP connections from one address: a household behind one NAT, but not a botnet of one. Loopback is exempt, and whoever
 * else is trusted.
 */
export const MAX_CONNECTIONS_PER_SOURCE = 20;

/** A message that has begun must be complete within this; a slow peer holds a buffer of ours. */
export const HALF_OPEN_MS = 10_000;

/**
 * Connections without a message are closed after this, unless somebody is registered over them: most phones that keep
 * one open send keep-alives oftener, but not all do.
 */
export const IDLE_MS = 15 * 60_000;

/** How long a connection of ours may take to come about; a client transaction would not outlive 32 s. */
export const CONNECT_MS = 10_000;

/** Bytes waiting for a peer that does not read: four of the largest messages. */
export const MAX_UNSENT_BYTES = 4 * MAX_MESSAGE_BYTES;

/**
 * Bytes of connections that were read and cannot be dealt with yet: a thousand of the largest messages. What the runtime
 * reads ahead of a connection that is not listened to, 128 KiB at most, is counted once it is.
 */
export const MAX_KEPT_BYTES = 1000 * MAX_MESSAGE_BYTES;

/** Datagrams waiting for a socket buffer of the kernel that is full; beyond it the oldest are dropped: they are late. */
export const MAX_UNSENT_DATAGRAMS = 4096;

/** RFC 3261 18.1.1: a request longer than this, path MTU unknown, goes by a congestion-controlled transport. */
export const MAX_UDP_REQUEST_BYTES = 1300;

/**
 * Requests from one connection that wait for an answer; nothing more is read from it meanwhile. A proxy in front of us has
 * fewer under way; without the bound one connection could fill the queue of the app and leave nothing for others.
 */
export const MAX_REQUESTS_PER_CONNECTION = 64;

/**
 * The same over all connections together, who share it: a tenth to a quarter of a second of work. Far more than is under
 * way when nobody floods us.
 */
export const MAX_REQUESTS_OVER_CONNECTIONS = 512;

/** Requests that handlers are working on, over all transports: one to two seconds of work. Further ones are answered 503. */
export const MAX_REQUESTS_IN_PROGRESS = 8192;
