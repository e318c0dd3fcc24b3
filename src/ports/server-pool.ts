/** Feature servers handle calls, RTP servers relay media. Both check in periodically by OPTIONS. */
export type ServerKind = 'feature' | 'rtp';

export interface CheckIn {
  readonly kind: ServerKind;
  /** `ip:port` of a feature server, IPv6 in brackets; the bare IP of an RTP server. */
  readonly member: string;
  /** False: the server takes no new calls. */
  readonly open: boolean;
  readonly calls?: number;
  /** HTTP URL of a feature server, for the platform's API. */
  readonly serviceUrl?: string;
}

export interface CheckInOutcome {
  /** The number of active servers of this kind. */
  readonly members: number;
  /** Absent when this check-in changed nothing. */
  readonly change?: 'joined' | 'left';
}

export interface FeatureServer {
  readonly member: string;
  readonly ip: string;
  /** False: drained. */
  readonly active: boolean;
  readonly calls?: number;
  readonly serviceUrl?: string;
  /** At any sidecar of the cluster, milliseconds since the epoch; undefined until the first check-in. */
  readonly lastCheckIn?: number;
}

/** Every method is atomic across all sidecars of the cluster. IPs are in the form of `normalIp`. */
export interface ServerPool {
  /** A drained server that checks in counts as alive but not as active. */
  checkIn(checkIn: CheckIn): Promise<CheckInOutcome>;
  /** Deactivates every feature server at this IP until {@link undrain}. @returns all drained IPs */
  drain(ip: string): Promise<string[]>;
  /** Reactivates those at this IP that checked in within the last `silentMs`. @returns all drained IPs */
  undrain(ip: string, silentMs: number): Promise<string[]>;
  /** Removes servers without a check-in at any sidecar for `silentMs`. @returns the removed members */
  expire(kind: ServerKind, silentMs: number): Promise<string[]>;
  /** `drained` also lists IPs without a server. */
  featureServers(): Promise<{ servers: FeatureServer[]; drained: string[] }>;
  /** The number of feature servers that have a UUID in `fsUUIDs`, as in Kubernetes. They do not check in. */
  inKubernetes(): Promise<number>;
  /** The number of active RTP servers. */
  rtpServers(): Promise<number>;
}
