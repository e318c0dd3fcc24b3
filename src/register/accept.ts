import type { Binding } from '../ports/location.ts';
import type { SipAnswer } from '../ports/sip-server.ts';
import { NAT_EXPIRES } from './refresh.ts';
import type { RegisterRequest } from './register-request.ts';

/**
 * The 200: every current binding with its remaining time (RFC 3261 10.3 step 8). Expires repeats the time granted to
 * the first Contact that the REGISTER added.
 * @param bindings live ones @param now milliseconds since the epoch
 */
export function accept({ operation }: RegisterRequest, bindings: readonly Binding[], now: number): SipAnswer {
  const contacts = operation.kind === 'update' ? operation.add : [];
  const requested = new Map(contacts.map((c) => [c.key, c.expires] as const));
  const granted = (b: Binding) => Math.min(remainingSeconds(b, now), requested.get(b.key) ?? Number.POSITIVE_INFINITY);

  const headers: Record<string, string> = {};
  if (bindings.length > 0)
    headers.Contact = bindings.map((b) => `<${b.contact}>${b.contactParams};expires=${granted(b)}`).join(', ');
  if (operation.kind !== 'fetch') {
    const first = bindings.find((b) => requested.has(b.key));
    headers.Expires = String(first ? granted(first) : 0);
  }
  headers.Date = new Date(now).toUTCString();
  return { status: 200, headers };
}

function remainingSeconds({ protocol, expiryTime }: Binding, now: number): number {
  const seconds = Math.max(0, Math.floor((expiryTime - now) / 1000));
  return protocol === 'udp' ? Math.min(seconds, NAT_EXPIRES) : seconds;
}
