/** Feature servers handle calls, RTP servers carry their media; both tell us every so often that they are there. */
export type ServerKind = 'feature' | 'rtp';

/** What a server says of itself. */
export interface CheckIn {
  readonly kind: ServerKind;
  /** `ip:port` of a feature server, IPv6 in brackets; the bare ip of an RTP server. */
  readonly member: string;
  /** False: it takes no more calls. */
  readonly open: boolean;
  readonly calls?: number;
  /** Where the platform's API reaches a feature server. */
  readonly serviceUrl?: string;
}

export interface CheckInOutcome {
  /** How many of its kind take calls now. */
  readonly members: number;
  /** Whether this check-in made it one of them, or took it out. */
  readonly change?: 'joined' | 'left';
}

/** A feature server that has checked in and not left since. */
export interface FeatureServer {
  readonly member: string;
  readonly ip: string;
  /** False: drained. */
  readonly active: boolean;
  readonly calls?: number;
  readonly serviceUrl?: string;
  /** Milliseconds since the epoch; at any sidecar of the cluster. None when it was found, not heard of. */
  readonly lastCheckIn?: number;
}

/**
 * The servers that take calls, where call routing picks one. Shared by every sidecar of a cluster: each method is atomic
 * over all of theirs. Addresses are in their normal form, see `normalIp`.
 */
export interface ServerPool {
  /** A drained server that checks in counts as alive, but not among those that take calls. */
  checkIn(checkIn: CheckIn): Promise<CheckInOutcome>;
  /** Takes every feature server of this ip out at once, until {@link undrain}. @returns all drained ips */
  drain(ip: string): Promise<string[]>;
  /** Brings back those of this ip that have checked in within `silentMs`. @returns all drained ips */
  undrain(ip: string, silentMs: number): Promise<string[]>;
  /**
   * Takes out those that no sidecar has heard of for longer than `silentMs`. What somebody else put among the members
   * is first given as long to show up. @returns the members that left
   */
  expire(kind: ServerKind, silentMs: number): Promise<string[]>;
  /** @returns drained: every drained ip, whether it checks in or not */
  featureServers(): Promise<{ servers: FeatureServer[]; drained: string[] }>;
  /** How many RTP servers take calls. */
  rtpServers(): Promise<number>;
}
