/** RFC 3261 17.1.1.1, all in milliseconds: estimate of the round trip time. */
const T1 = 500;
/** Longest interval between retransmissions of a request; time that a server may take to respond. */
export const T2 = 4_000;
/** Longest lifetime of a message in the network. */
export const T4 = 5_000;

/** Timers F and J, and the time for a handler to answer. */
export const TRANSACTION_MS = 64 * T1;

/** 17.1.2.2: timer E doubles with each retransmission, up to T2. */
export const RETRANSMIT_MS = [T1, 2 * T1, 4 * T1, T2] as const;
