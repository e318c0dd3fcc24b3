import type { Binding } from '../ports/location.ts';
import type { RegisterRequest } from './register-request.ts';

/** Longest expiry granted over UDP, seconds, so that the phone's REGISTERs keep its NAT mapping open. */
export const NAT_EXPIRES = 30;

/**
 * Whether a REGISTER only confirms existing bindings: same contact, same source, more than 30 s left. Such a request
 * needs no authentication, because granting it changes nothing.
 * @param now milliseconds since the epoch
 */
export function isRefresh(
  { operation, proxy, protocol }: RegisterRequest,
  bindings: readonly Binding[],
  now: number,
): boolean {
  if (operation.kind !== 'update') return false;
  if (operation.add.length === 0 || operation.remove.length > 0) return false;
  return operation.add.every((contact) =>
    bindings.some(
      (b) =>
        b.key === contact.key &&
        b.contact === contact.contact &&
        b.proxy === proxy &&
        b.protocol === protocol &&
        b.expiryTime - now > NAT_EXPIRES * 1000,
    ),
  );
}
