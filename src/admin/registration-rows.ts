import * as v from 'valibot';

/** A binding (RFC 3261 10). What an earlier jambonz sidecar has not stored is null. */
export const bindingRow = v.object({
  /** `user@realm`. */
  aor: v.string(),
  /** Contact URI. */
  contact: v.string(),
  transport: v.nullable(v.string()),
  /** Source of the REGISTER, `ip:port`, IPv6 in brackets. */
  source: v.nullable(v.string()),
  userAgent: v.nullable(v.string()),
  expiresAt: v.number(),
});

export const bindingDetails = v.object({
  ...bindingRow.entries,
  /** Parameters of the Contact header field, `;+sip.instance="<urn:…>";reg-id=1`. */
  contactParams: v.string(),
  /** What tells the bindings of an AOR apart: the instance, else the canonical URI. */
  key: v.string(),
  callId: v.nullable(v.string()),
  cseq: v.nullable(v.number()),
  registeredAt: v.nullable(v.number()),
  /** Comma-separated addresses of the SBC that the phone registered at. */
  sbcAddress: v.string(),
  privateSbcAddress: v.string(),
  /** URL without what may be secret; null where the account's own is used. */
  callHook: v.nullable(v.string()),
  callStatusHook: v.nullable(v.string()),
  directAppCalling: v.boolean(),
  directQueueCalling: v.boolean(),
  directUserCalling: v.boolean(),
  /** While its source is banned: the phone cannot refresh. */
  bannedUntil: v.exactOptional(v.number()),
});

/** The last REGISTER that was refused. */
export const refusedRegister = v.object({
  at: v.number(),
  /** A name of the table in docs/events.md. */
  reason: v.string(),
  detail: v.nullable(v.string()),
  /** SIP status code. */
  status: v.number(),
  source: v.string(),
  transport: v.string(),
  userAgent: v.nullable(v.string()),
  callId: v.string(),
  /** While the source is banned. */
  bannedUntil: v.nullable(v.number()),
});

export const registrationDetails = v.object({
  aor: v.string(),
  /** The one that calls go to is the first. */
  bindings: v.array(bindingDetails),
  /** null when the realm belongs to none; undefined while the database does not answer, as is `client`. */
  account: v.exactOptional(
    v.nullable(v.object({ sid: v.string(), realm: v.string(), active: v.boolean(), webhook: v.nullable(v.string()) })),
  ),
  /** null when there is no client of this name; undefined too when a webhook authenticates the account. */
  client: v.exactOptional(v.nullable(v.object({ username: v.string(), active: v.boolean() }))),
  /** Why account or client are not known. */
  unknownBecause: v.nullable(v.string()),
  /** Since the start of the sidecar that answers, and by this one. */
  lastRefusal: v.nullable(refusedRegister),
  now: v.number(),
});
