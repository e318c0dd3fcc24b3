import type { Binding } from '../ports/location.ts';
import type { Registration } from './registration.ts';

/** Phones behind a NAT are told to come back within this, seconds, so that its mapping stays open. */
export const NAT_EXPIRES = 30;

/**
 * Whether a REGISTER only confirms bindings that we hold and that have more than 30 s to go: same contact, same source.
 * It is answered without authentication, since it changes nothing: who could forge it gains nothing.
 * @param now milliseconds since the epoch
 */
export function isRefresh({ wish, proxy, protocol }: Registration, bindings: readonly Binding[], now: number): boolean {
  if (wish.kind !== 'contacts') return false;
  return wish.contacts.every(
    (contact) =>
      contact.expires > 0 &&
      bindings.some(
        (b) =>
          b.key === contact.key &&
          b.contact === contact.uri &&
          b.proxy === proxy &&
          b.protocol === protocol &&
          b.expiryTime - now > NAT_EXPIRES * 1000,
      ),
  );
}
