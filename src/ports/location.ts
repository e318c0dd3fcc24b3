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
  /** Whole milliseconds since the epoch; the same for all contacts of one REGISTER. */
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
  /** The live bindings, newest first; those of one REGISTER in the order given. The first is the one that calls go to. */
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
  /** Bindings to add or renew, preferred first. */
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
  | { readonly ok: true /** Live, in the order of {@link AorState}. */; readonly bindings: readonly Binding[] }
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
