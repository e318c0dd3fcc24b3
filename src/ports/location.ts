import type { BindingIdentity } from '../sip/binding-identity.ts';

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
export interface Binding extends BindingIdentity {
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
  /** The realm of the account when it is not that of the AOR. */
  readonly accountRealm?: string;
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
  /** Milliseconds since the epoch. */
  readonly issuedAt: number;
  /** End of the nonce's life, milliseconds since the epoch. */
  readonly expiresAt: number;
}

export interface AorState {
  /**
   * Live bindings. SIP Contacts before others, then the newest first, those of one REGISTER in the order given. Calls go
   * to the first.
   */
  readonly bindings: readonly Binding[];
  /** Highest nonce-count used so far; 0 for an unused nonce, or when none was given. */
  readonly lastNonceCount: number;
}

/** The changes made by one authenticated REGISTER. */
export interface Update {
  readonly aor: Aor;
  /** The realm of the AOR's account: its own, or that without the first label. */
  readonly accountRealm: string;
  readonly callId: string;
  readonly cseq: number;
  /** Bindings to add or renew, no two of them the same, preferred first. They replace the same ones in the store. */
  readonly save: readonly Binding[];
  /** Bindings to remove, apart from those in `save`. */
  readonly remove: readonly (BindingIdentity & { readonly contact: string })[] | 'all';
  /** 1: a new binding replaces all others. Above 1: an update that would exceed it is refused. */
  readonly maxContacts: number;
  /** Refuse a new AOR when the account already has this many; 0 refuses every AOR; undefined: no limit. */
  readonly maxAors?: number;
  readonly nonce?: NonceUse;
}

/** Nothing was changed. */
export type UpdateRefusal =
  /** The nonce-count was used before. `bindings`: the live ones, in the order of {@link AorState}. */
  | { readonly ok: false; readonly refusal: 'replay'; readonly bindings: readonly Binding[] }
  /**
   * `out-of-order`: a binding that would be replaced or removed has the same Call-ID, no lower CSeq, and was not saved
   * before the nonce was issued (RFC 3261 10.3 step 7).
   */
  | { readonly ok: false; readonly refusal: 'out-of-order' | 'too-many-contacts' | 'too-many-aors' };

export interface Updated {
  readonly ok: true;
  /** Live, in the order of {@link AorState}. */
  readonly bindings: readonly Binding[];
  /** For each binding of {@link Update.save}, the `proxy` of the one that it renews; undefined when it is new. */
  readonly renewed: readonly (string | undefined)[];
  /** The bindings that ended: removed, or replaced by another Contact. */
  readonly ended: readonly Binding[];
}

export type UpdateOutcome = Updated | UpdateRefusal;

export interface LookupOptions {
  /** Whether an AOR may have several bindings. False reads only the one that calls go to. */
  readonly several: boolean;
  readonly nonceId?: string;
}

/** Selects the bindings registered over one connection. */
export interface BindingSource {
  readonly proxy: string;
  readonly protocol: string;
  /** Excludes bindings saved later than this, milliseconds since the epoch. */
  readonly savedUntil: number;
}

/** The location service of RFC 3261 10.2, shared by all sidecars of a cluster. */
export interface LocationService {
  /** Reads without a change, in one round trip. */
  lookup(aor: Aor, options: LookupOptions): Promise<AorState>;
  /** Applies a REGISTER atomically, in one round trip. Resolves once the change is durable. */
  update(update: Update): Promise<UpdateOutcome>;
  /** Removes the bindings of an AOR from one source. */
  removeFrom(aor: Aor, source: BindingSource): Promise<Removal>;
  /**
   * Calls `listener` when the last binding of an AOR, `user@realm`, has expired; in a cluster at one of the sidecars. It is at
   * most some seconds late, and must not throw.
   */
  onExpired(listener: (aor: string) => void): void;
}

export interface Removal {
  readonly removed: readonly Binding[];
  /** Number of bindings that the AOR still has. */
  readonly remaining: number;
}
