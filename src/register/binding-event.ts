import { defined } from '../lib/defined.ts';
import type { BindingEvent, Presence } from '../ports/events.ts';
import type { Aor, Binding } from '../ports/location.ts';
import { nameOf } from '../ports/location.ts';

/** An event about one binding. @param presence of the AOR after it */
export function bindingEvent(
  type: BindingEvent['type'],
  aor: Aor,
  binding: Binding,
  presence: Presence,
  cause?: BindingEvent['cause'],
): BindingEvent {
  const { contact, proxy, protocol, userAgent, callId, expiryTime } = binding;
  return defined({
    type,
    aor: nameOf(aor),
    presence,
    cause,
    contact,
    source: proxy.replace(/^sip:/, ''),
    transport: protocol,
    userAgent,
    callId,
    expiresAt: type === 'registered' || type === 'refreshed-elsewhere' ? expiryTime : undefined,
  });
}
