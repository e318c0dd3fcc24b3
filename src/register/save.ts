import type { Binding, LocationService, Update, UpdateOutcome } from '../ports/location.ts';
import type { SipServer } from '../ports/sip-server.ts';
import type { Authenticated } from './authenticate.ts';
import type { RegisterRequest, RequestedContact } from './register-request.ts';

export interface SaveRules {
  readonly location: LocationService;
  /** Its addresses go into each binding: calls to the phone leave through it. */
  readonly sipServer: Pick<SipServer, 'hostports' | 'privateAddress'>;
  /** Seconds; 0: no maximum. */
  readonly maxExpires: number;
  readonly maxContacts: number;
}

/**
 * Adds, renews, removes or only lists bindings (RFC 3261 10.3 steps 6 and 7).
 * @throws Unavailable when the store does not answer
 * @param now milliseconds since the epoch @param maxAorsInRealm undefined: no limit
 */
export function save(
  { location, sipServer, maxExpires, maxContacts }: SaveRules,
  parsed: RegisterRequest,
  { grant, maxExpires: grantedExpires, nonce }: Authenticated,
  maxAorsInRealm: number | undefined,
  now: number,
): Promise<UpdateOutcome> {
  const { aor, callId, cseq, operation } = parsed;
  const limit = Math.min(maxExpires || Number.POSITIVE_INFINITY, grantedExpires ?? Number.POSITIVE_INFINITY);
  const contacts = operation.kind === 'update' ? operation.contacts : [];
  const added = contacts.filter((c) => c.expires > 0);
  const removed = contacts.filter((c) => c.expires === 0);
  const update: Update = {
    aor,
    callId,
    cseq,
    // The first Contact is the phone's preferred one.
    save: (maxContacts === 1 ? added.slice(0, 1) : added).map(binding),
    remove: operation.kind === 'remove-all' ? 'all' : removed.flatMap((c) => [c.key, c.uri]),
    maxContacts,
    nonce,
    ...(maxAorsInRealm !== undefined && { maxAorsInRealm }),
  };
  return location.update(update);

  function binding(contact: RequestedContact): Binding {
    return {
      grant,
      key: contact.key,
      contact: contact.uri,
      contactParams: contact.params,
      callId,
      cseq,
      protocol: parsed.protocol,
      proxy: parsed.proxy,
      sbcAddress: sipServer.hostports,
      privateSbcAddress: sipServer.privateAddress,
      ...(parsed.userAgent !== undefined && { userAgent: parsed.userAgent }),
      expiryTime: now + Math.min(contact.expires, limit) * 1000,
      savedAt: now,
    };
  }
}
