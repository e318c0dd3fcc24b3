/** Address of record (RFC 3261 6). */
export interface Aor {
  readonly user: string;
  /** Domain in lower case; also the digest realm. */
  readonly realm: string;
}

/** Call hooks and permissions granted by authentication. */
export interface Grant {
  /** URL, or any JSON from the webhook; passed on to call routing as it is. */
  readonly callHook?: unknown;
  readonly callStatusHook?: unknown;
  /** 0 or 1 for a client, any JSON from the webhook; passed on as it is. */
  readonly allowDirectAppCalling: unknown;
  readonly allowDirectQueueCalling: unknown;
  readonly allowDirectUserCalling: unknown;
}

/** A contact at which an AOR can be reached (RFC 3261 10). */
export interface Binding {
  /** Identifies the binding within its AOR: instance and reg-id (RFC 5626 6) or else the contact URI. */
  readonly key: string;
  /** Contact URI as received. */
  readonly contact: string;
  /** Contact header parameters without `expires`, as text: `;+sip.instance="<urn:…>";reg-id=1`. */
  readonly contactParams: string;
  readonly callId: string;
  readonly cseq: number;
  /** `udp`, `tcp`, `tls`, `ws` or `wss`. */
  readonly protocol: string;
  /** Source of the REGISTER, `sip:<ip>:<port>`. */
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

/** A nonce and its nonce-count (RFC 7616 3.4). */
export interface NonceUse {
  readonly id: string;
  readonly count: number;
  /** End of the nonce's life, milliseconds since the epoch. */
  readonly expiresAt: number;
}

export interface AorState {
  /** Live bindings, newest first; those of one REGISTER in the order given. Calls go to the first. */
  readonly bindings: readonly Binding[];
  /** Number of AORs with a live binding in the realm; 0 unless requested. */
  readonly aorsInRealm: number;
  /** Highest nonce-count used so far; 0 for an unused nonce, or when none was given. */
  readonly lastNonceCount: number;
}

/** The changes made by one authenticated REGISTER. */
export interface Update {
  readonly aor: Aor;
  readonly callId: string;
  readonly cseq: number;
  /** Bindings to add or renew, preferred first. */
  readonly save: readonly Binding[];
  /** Keys of bindings to remove, and their contact URIs: the keys of bindings saved by earlier jambonz sidecars. */
  readonly remove: readonly string[] | 'all';
  /** 1: a new binding replaces all others. Above 1: an update that would exceed it is refused. */
  readonly maxContacts: number;
  /** Refuse a new AOR when the realm already has this many; undefined: no limit. */
  readonly maxAorsInRealm?: number;
  readonly nonce?: NonceUse;
}

export type UpdateOutcome =
  | { readonly ok: true /** Live, in the order of {@link AorState}. */; readonly bindings: readonly Binding[] }
  /** Nothing was changed. `out-of-order`: same Call-ID, but the CSeq is not higher (RFC 3261 10.3 step 7). */
  | { readonly ok: false; readonly refusal: 'replay' | 'out-of-order' | 'too-many-contacts' | 'too-many-aors' };

/** Selects the bindings registered over one connection. */
export interface BindingSource {
  readonly proxy: string;
  readonly protocol: string;
  /** Excludes bindings saved later than this, milliseconds since the epoch. */
  readonly savedUntil: number;
}

/** The location service of RFC 3261 10.2, shared by all sidecars of a cluster. */
export interface LocationService {
  /** Reads all state that a REGISTER depends on, in one round trip. */
  lookup(aor: Aor, options: { countRealm: boolean; nonceId?: string }): Promise<AorState>;
  /** Applies a REGISTER atomically, in one round trip. Resolves once the change is durable. */
  update(update: Update): Promise<UpdateOutcome>;
  /** Removes the bindings of an AOR from one source. @returns the number removed */
  removeFrom(aor: Aor, source: BindingSource): Promise<number>;
}
