import type { Binding } from '../ports/location.ts';
import type { SipAnswer } from '../ports/sip-server.ts';
import { NAT_EXPIRES } from './refresh.ts';
import type { Registration } from './registration.ts';

/**
 * The 200: every current binding with what is left of it, the asked ones first among them in Expires (RFC 3261 10.3
 * step 8).
 * @param bindings live ones @param now milliseconds since the epoch
 */
export function accept({ wish }: Registration, bindings: readonly Binding[], now: number): SipAnswer {
  const asked = new Map(wish.kind === 'contacts' ? wish.contacts.map((c) => [c.key, c.expires] as const) : []);
  const told = (b: Binding) => Math.min(secondsTold(b, now), asked.get(b.key) ?? Number.POSITIVE_INFINITY);
  const first = bindings.find((b) => asked.has(b.key));
  return {
    status: 200,
    headers: {
      ...(bindings.length > 0 && {
        Contact: bindings.map((b) => `<${b.contact}>${b.contactParams};expires=${told(b)}`).join(', '),
      }),
      ...(wish.kind !== 'query' && { Expires: String(first ? told(first) : 0) }),
      Date: new Date(now).toUTCString(),
    },
  };
}

function secondsTold({ protocol, expiryTime }: Binding, now: number): number {
  const left = Math.max(0, Math.floor((expiryTime - now) / 1000));
  return protocol === 'udp' ? Math.min(left, NAT_EXPIRES) : left;
}
