import type { Account } from '../ports/directory.ts';
import type { Binding, LocationService, Update, UpdateOutcome } from '../ports/location.ts';
import type { SipServer } from '../ports/sip-server.ts';
import type { Authenticated } from './authenticate.ts';
import type { RegisterRequest, RequestedContact } from './register-request.ts';

export interface SaveRules {
  readonly location: Pick<LocationService, 'update'>;
  /** Its addresses go into each binding: calls to the phone leave through it. */
  readonly sipServer: Pick<SipServer, 'hostports' | 'privateAddress'>;
  /** Seconds; 0: no maximum. */
  readonly maxExpires: number;
  readonly maxContacts: number;
}

/**
 * Adds, renews, removes or only lists bindings (RFC 3261 10.3 steps 6 and 7).
 * @throws DependencyError when the store does not save them
 * @param now milliseconds since the epoch @param maxAors undefined: no limit
 */
export function save(
  { location, sipServer, maxExpires, maxContacts }: SaveRules,
  parsed: RegisterRequest,
  { grant, maxExpires: grantedExpires, nonce }: Authenticated,
  account: Account,
  maxAors: number | undefined,
  now: number,
): Promise<UpdateOutcome> {
  const { aor, callId, cseq, operation } = parsed;
  const limit = Math.min(maxExpires || Number.POSITIVE_INFINITY, grantedExpires ?? Number.POSITIVE_INFINITY);
  const added = operation.kind === 'update' ? operation.add : [];
  const removed = operation.kind === 'update' ? operation.remove : [];
  const accountRealm = account.realm;
  const update: Update = {
    aor,
    accountRealm,
    callId,
    cseq,
    save: (maxContacts === 1 ? added.slice(0, 1) : added).map(binding),
    remove: operation.kind === 'remove-all' ? 'all' : removed,
    maxContacts,
    nonce,
    ...(maxAors !== undefined && { maxAors }),
  };
  return location.update(update);

  function binding(contact: RequestedContact): Binding {
    return {
      grant,
      key: contact.key,
      uri: contact.uri,
      contact: contact.contact,
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
      ...(accountRealm !== aor.realm && { accountRealm }),
    };
  }
}
