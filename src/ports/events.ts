/** The state of an AOR after an event: whether it has a live binding. */
export type Presence = 'online' | 'offline';

/** A binding was made, moved or ended. What is unknown is absent. */
export interface BindingEvent {
  /**
   * `refreshed-elsewhere`: renewed from another source address or port. `expired` is reported for the last binding of an AOR
   * only. `connection-lost`: removed because the connection it was made over has closed.
   */
  readonly type: 'registered' | 'refreshed-elsewhere' | 'unregistered' | 'expired' | 'connection-lost';
  /** `user@realm`. */
  readonly aor: string;
  readonly presence: Presence;
  /** Contact URI. */
  readonly contact?: string;
  /** `ip:port`, IPv6 in brackets. */
  readonly source?: string;
  /** `udp`, `tcp`, `tls`, `ws` or `wss`. */
  readonly transport?: string;
  readonly userAgent?: string;
  readonly callId?: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number;
  /** Of `unregistered`. `replaced`: by another Contact of the AOR. `operator`: by `reg remove`. */
  readonly cause?: 'phone' | 'replaced' | 'operator';
}

/** A REGISTER was refused; a challenge is no refusal. */
export interface RefusedEvent {
  readonly type: 'refused';
  /** Absent when the request names none. */
  readonly aor?: string;
  /** A name of the table in docs/events.md. */
  readonly reason: string;
  readonly detail?: string;
  /** SIP status code. */
  readonly status: number;
  readonly source: string;
  readonly transport: string;
  readonly userAgent?: string;
  readonly callId: string;
}

interface BanEvent {
  readonly type: 'banned' | 'unbanned';
  /** An IPv4 address, or the /64 of an IPv6 address. */
  readonly source: string;
  /** Of `banned`: milliseconds since the epoch. */
  readonly until?: number;
}

interface DrainEvent {
  readonly type: 'drained' | 'undrained';
  /** IP address of the feature server. */
  readonly server: string;
}

/** A registration of ours at a carrier changed its state. */
interface TrunkEvent {
  readonly type: 'trunk';
  readonly carrier: string;
  readonly carrierSid: string;
  /** sip_gateway_sid. */
  readonly gateway: string;
  readonly state: string;
  /** The last response, or the error in its place. */
  readonly reason?: string;
}

interface ReadinessEvent {
  readonly type: 'readiness';
  readonly state: 'ready' | 'degraded' | 'not ready';
  readonly why?: string;
}

export type SidecarEvent = BindingEvent | RefusedEvent | BanEvent | DrainEvent | TrunkEvent | ReadinessEvent;

/** An event as followers get it. */
export type PublishedEvent = SidecarEvent & {
  /** Counts up by one within a process. */
  readonly id: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
};

/** Takes what happened, for those that follow it. */
export interface Events {
  /** Never throws and never waits. */
  emit(event: SidecarEvent): void;
}

/** Keeps events for other programs. */
export interface EventSink {
  /** Appends them in order. @throws DependencyError; some may have been appended then */
  append(events: readonly PublishedEvent[]): Promise<void>;
}

/** For callers that nothing follows. */
export const NO_EVENTS: Events = { emit: () => {} };
