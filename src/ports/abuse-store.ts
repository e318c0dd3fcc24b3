/** A source whose messages are ignored. */
export interface Ban {
  /** An IPv4 address, or the /64 of an IPv6 address. */
  readonly source: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** What a sidecar has seen since its last report. */
export interface AbuseReport {
  /** Points to add to the scores of sources. */
  readonly offences: ReadonlyMap<string, Offences>;
  /** Sources whose score is reset, before the points are added. */
  readonly pardoned: ReadonlySet<string>;
  /** Wrong answers to challenges by AOR, `user@realm`. */
  readonly wrongAnswers: ReadonlyMap<string, number>;
  /** Nonces that are accepted no more: id → end of life, milliseconds since the epoch. */
  readonly spentNonces: ReadonlyMap<string, number>;
}

export interface Offences {
  readonly points: number;
  /** One of the addresses they came from. */
  readonly address: string;
}

export interface AbusePolicy {
  /** A source is banned when its score reaches this. */
  readonly banThreshold: number;
  /** Length of the first ban; each later one is twice as long, up to an hour. */
  readonly banSeconds: number;
  /** Name of a set of banned addresses for other programs; empty for none. Only in Redis. */
  readonly banSet: string;
}

/** What all sidecars of the cluster have seen. */
export interface AbuseState {
  readonly bans: readonly Ban[];
  /** The current scores, at least those of a tenth of the threshold. */
  readonly scores: ReadonlyMap<string, number>;
  /** Wrong answers in this minute by AOR, of the AORs that have most. */
  readonly wrongAnswers: ReadonlyMap<string, number>;
}

/** Scores halve in this time, milliseconds. */
export const HALF_LIFE_MS = 30_000;
export const LONGEST_BAN_MS = 3_600_000;
/** Stored as the count of a nonce that may not be used again: above every nonce-count of RFC 7616, which has 32 bits. */
export const SPENT_NONCE_COUNT = 2 ** 32;
/** How long after a ban the next one is longer, milliseconds. */
export const BAN_MEMORY_MS = 3_600_000;

/** Scores and bans, shared by all sidecars of a cluster. */
export interface AbuseStore {
  /** Adds a report, bans the sources that reach the threshold, and returns the state afterwards. */
  exchange(report: AbuseReport): Promise<AbuseState>;
  /** Lifts the ban of a source, or all bans, and resets their scores. @returns the sources that were banned */
  clear(source?: string): Promise<readonly string[]>;
}
