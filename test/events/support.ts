import type { BindingEvent, RefusedEvent } from '../../src/ports/events.ts';

export function registered(aor: string, changes: Partial<BindingEvent> = {}): BindingEvent {
  return { type: 'registered', aor, presence: 'online', ...changes };
}

export function refused(aor: string, reason: string, changes: Partial<RefusedEvent> = {}): RefusedEvent {
  const where = { source: '198.51.100.7:5060', transport: 'udp', callId: 'call' };
  return { type: 'refused', aor, reason, status: 403, ...where, ...changes };
}
