import { defined } from '../lib/defined.ts';
import type { BindingEvent, Presence } from '../ports/events.ts';
import type { Aor, Binding } from '../ports/location.ts';
import { aorName } from '../sip/aor.ts';

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
    aor: aorName(aor),
    presence,
    cause,
    contact,
    // A binding of an earlier jambonz sidecar may lack them.
    source: proxy.replace(/^sips?:/i, '') || undefined,
    transport: protocol || undefined,
    userAgent,
    callId: callId || undefined,
    expiresAt: type === 'registered' || type === 'refreshed-elsewhere' ? expiryTime : undefined,
  });
}
