import type { Binding, LocationService, Update, UpdateOutcome } from '../ports/location.ts';
import type { SipServer } from '../ports/sip-server.ts';
import type { Authenticated } from './authenticate.ts';
import type { AskedContact, Registration } from './registration.ts';

export interface SaveRules {
  readonly location: LocationService;
  /** Its addresses go into each binding: calls to the phone leave through it. */
  readonly sipServer: Pick<SipServer, 'hostports' | 'privateAddress'>;
  /** Seconds; 0: no maximum. */
  readonly maxExpires: number;
  /** Bindings side by side for one AOR. */
  readonly maxContacts: number;
}

/**
 * Stores, removes or only lists the bindings, as the REGISTER asks (RFC 3261 10.3 step 7).
 * @param now milliseconds since the epoch @param maxAorsInRealm undefined: no limit
 */
export function save(
  { location, sipServer, maxExpires, maxContacts }: SaveRules,
  registration: Registration,
  { grant, maxExpires: grantedExpires, nonce }: Authenticated,
  maxAorsInRealm: number | undefined,
  now: number,
): Promise<UpdateOutcome> {
  const { aor, callId, cseq, wish } = registration;
  const limit = Math.min(maxExpires || Number.POSITIVE_INFINITY, grantedExpires ?? Number.POSITIVE_INFINITY);
  const contacts = wish.kind === 'contacts' ? wish.contacts : [];
  const wanted = contacts.filter((c) => c.expires > 0);
  const update: Update = {
    aor,
    callId,
    cseq,
    // Where only one contact can be kept, it is the first one named: the phone's own preference.
    save: (maxContacts === 1 ? wanted.slice(0, 1) : wanted).map(binding),
    remove: wish.kind === 'remove-all' ? 'all' : contacts.filter((c) => c.expires === 0).flatMap((c) => [c.key, c.uri]),
    maxContacts,
    nonce,
    ...(maxAorsInRealm !== undefined && { maxAorsInRealm }),
  };
  return location.update(update);

  function binding(contact: AskedContact): Binding {
    return {
      grant,
      key: contact.key,
      contact: contact.uri,
      contactParams: contact.params,
      callId,
      cseq,
      protocol: registration.protocol,
      proxy: registration.proxy,
      sbcAddress: sipServer.hostports,
      privateSbcAddress: sipServer.privateAddress,
      ...(registration.userAgent !== undefined && { userAgent: registration.userAgent }),
      expiryTime: now + Math.min(contact.expires, limit) * 1000,
      savedAt: now,
    };
  }
}
