/**
 * What the core needs of the world, as interfaces. Adapters implement them and are honest: a method does what it says
 * or throws {@link Unavailable}; what an outage means is the caller's decision.
 */

/** A service we depend on did not answer, or not in time. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
  constructor(
    /** What a person calls it: 'Redis', 'MySQL', 'SQLite'. */
    readonly service: string,
    why: string,
  ) {
    super(`${service}: ${why}`);
  }
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

export const systemClock: Clock = { now: Date.now };

export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

// --- Bindings -------------------------------------------------------------------------------------------------------

/** An address of record: the name under which a user is known (RFC 3261 6). */
export interface Aor {
  readonly user: string;
  /** The domain, in lower case; it is also the realm. */
  readonly realm: string;
}

/** Permissions and call hooks that whoever authenticated a user gives along with the yes. */
export interface Grant {
  /** A URL, or whatever JSON the webhook gave: call routing reads it, not we. */
  readonly callHook?: unknown;
  readonly callStatusHook?: unknown;
  readonly allowDirectAppCalling: boolean;
  readonly allowDirectQueueCalling: boolean;
  readonly allowDirectUserCalling: boolean;
}

/** One contact at which an AOR can be reached, and how long (RFC 3261 10). */
export interface Binding {
  /** What makes two bindings of an AOR the same one: instance and reg-id, else the contact URI. */
  readonly key: string;
  /** The contact URI as the phone wrote it. */
  readonly contact: string;
  /** The header parameters of its Contact but for `expires`, as text: `;+sip.instance="<urn:…>";reg-id=1`. */
  readonly contactParams: string;
  readonly callId: string;
  readonly cseq: number;
  /** `udp`, `tcp`, `tls`, `ws` or `wss`. */
  readonly protocol: string;
  /** Where the REGISTER came from, as `sip:<ip>:<port>`. */
  readonly proxy: string;
  readonly sbcAddress: string;
  readonly privateSbcAddress: string;
  readonly userAgent?: string;
  readonly grant: Grant;
  /** Milliseconds since the epoch. */
  readonly expiryTime: number;
  /**
   * Milliseconds since the epoch; the newest binding of an AOR is the one that calls go to. Fractions order the contacts
   * of one REGISTER.
   */
  readonly savedAt: number;
}

/** Use number `count` of a nonce of ours (RFC 7616 3.4, nc). */
export interface NonceUse {
  readonly id: string;
  readonly count: number;
  /** When the nonce and the memory of it may be forgotten, milliseconds since the epoch. */
  readonly expiresAt: number;
}

export interface AorState {
  /** The live bindings, newest first. */
  readonly bindings: readonly Binding[];
  /** How many AORs of the realm have a live binding; 0 unless it was asked for. */
  readonly aorsInRealm: number;
  /** The highest nonce-count used so far; 0 when the nonce is unused or none was asked for. */
  readonly lastNonceCount: number;
}

/** All that one authenticated REGISTER changes. */
export interface Update {
  readonly aor: Aor;
  readonly callId: string;
  readonly cseq: number;
  /** Bindings to add or renew. */
  readonly save: readonly Binding[];
  /** Keys of bindings to remove; their contact URIs too, by which older sidecars' bindings go. */
  readonly remove: readonly string[] | 'all';
  /** With 1 the newest binding replaces any other; above, more of them than this are refused. */
  readonly maxContacts: number;
  /** Refuse a new AOR when its realm has this many; undefined: no limit. */
  readonly maxAorsInRealm?: number;
  readonly nonce?: NonceUse;
}

export type UpdateOutcome =
  | { readonly ok: true /** Live, newest first. */; readonly bindings: readonly Binding[] }
  /**
   * Nothing was changed: the nonce-count was not above the last one; the CSeq was not above that of a binding with the
   * same Call-ID (RFC 3261 10.3 step 7); too many contacts for the AOR; too many AORs in the realm.
   */
  | { readonly ok: false; readonly refusal: 'replay' | 'out-of-order' | 'too-many-contacts' | 'too-many-aors' };

/** Bindings that came from one place. */
export interface BindingSource {
  /** As in {@link Binding}, as is `protocol`. */
  readonly proxy: string;
  readonly protocol: string;
  /** Those saved later are others. Milliseconds since the epoch. */
  readonly savedUntil: number;
}

/** The location service of RFC 3261 10.2: who can be reached where. Shared by every sidecar of a cluster. */
export interface LocationService {
  /** All that a REGISTER wants to know before it is authenticated; one round trip. */
  lookup(aor: Aor, options: { countRealm: boolean; nonceId?: string }): Promise<AorState>;
  /** Applies a REGISTER wholly or not at all, durably before it resolves; one round trip. */
  update(update: Update): Promise<UpdateOutcome>;
  /** Removes what an AOR has bound from one source. @returns how many bindings went */
  removeFrom(aor: Aor, source: BindingSource): Promise<number>;
}

// --- Accounts -------------------------------------------------------------------------------------------------------

/** A customer's web server that decides who may register in its realm. */
export interface Webhook {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  /** For Basic authentication. */
  readonly username?: string;
  readonly password?: string;
  /** Signs the request. */
  readonly secret?: string;
}

export interface Account {
  readonly sid: string;
  readonly serviceProviderSid?: string;
  readonly isActive: boolean;
  readonly deviceToCallRatio: number;
  /** Given: it authenticates the users, and the account's clients count for nothing. */
  readonly webhook?: Webhook;
}

/** A user kept in the clients table of its account. */
export interface Client {
  readonly username: string;
  /** In clear; undefined when the stored one could not be decrypted. */
  readonly password?: string;
  readonly isActive: boolean;
  readonly grant: Grant;
}

/** Accounts and what belongs to them. */
export interface Directory {
  /** The account of a realm, or of the realm without its first label when that one has more than two. */
  accountByRealm(realm: string): Promise<Account | undefined>;
  client(accountSid: string, username: string): Promise<Client | undefined>;
  /** How many devices the account has paid for (hosted platform). */
  deviceLimit(account: Account): Promise<number>;
}

// --- Feature servers and RTP servers ---------------------------------------------------------------------------------

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

// --- Alerts ---------------------------------------------------------------------------------------------------------

export interface Alert {
  readonly type?: 'webhook-failure' | 'webhook-connection-failure' | 'account-device-limit';
  readonly message: string;
  readonly accountSid?: string;
  readonly serviceProviderSid?: string;
}

/** Tells a customer that something needs attention. Never throws and never makes the caller wait. */
export interface Alerts {
  raise(alert: Alert): void;
}

// --- SIP ------------------------------------------------------------------------------------------------------------

/** A request as it reached the SIP server. */
export interface SipRequest {
  readonly method: string;
  readonly uri: string;
  /** All header lines, names in their usual spelling. */
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  /** A header by its name in its usual spelling; several lines of one name are joined by commas. */
  header(name: string): string | undefined;
  readonly source: { readonly address: string; readonly port: number };
  /** What carried it: `udp`, `tcp` or `tls`; for WebSocket what is under it. */
  readonly transport: string;
  /** This SIP server: everything it listens on, as drachtio told us, and the `ip:port` that is private. */
  readonly server: { readonly hostports: string; readonly privateAddress: string };
}

/** The answer to a request. An array of values becomes one header line each. */
export interface SipAnswer {
  readonly status: number;
  readonly reason?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}
