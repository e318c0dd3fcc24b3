/** RFC 3261 17.1.1.1, in milliseconds: an estimate of the round trip time. */
const T1 = 500;
/** The longest interval between retransmissions of a request. */
const T2 = 4_000;
/** How long a message may linger in the network. */
export const T4 = 5_000;

/** Timers B, F, H, J: how long anybody tries, and so how long anybody has to remember. */
export const TRANSACTION_MS = 64 * T1;

/** 17.1.2.2: timer E after each retransmission is "MIN(2*T1, T2)", doubling until it is T2. */
export const RETRANSMIT_MS = [T1, 2 * T1, 4 * T1, T2] as const;
