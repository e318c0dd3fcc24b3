import { type EventsView, Refused } from '../admin/actions.ts';
import type { StreamParams, StreamPart } from '../admin/protocol.ts';
import type { EventBus } from '../events/bus.ts';
import { EventQueue } from '../events/event-queue.ts';
import { didYouMean } from '../lib/nearest.ts';
import type { PublishedEvent, SidecarEvent } from '../ports/events.ts';
import { aorName, readAorName } from '../sip/aor.ts';

/** Events that wait for a follower who reads slowly; a few MB at most. */
const MAX_WAITING = 1000;

/** Complete, by its type. */
const TYPES: Readonly<Record<SidecarEvent['type'], true>> = {
  registered: true,
  'refreshed-elsewhere': true,
  unregistered: true,
  expired: true,
  'connection-lost': true,
  refused: true,
  banned: true,
  unbanned: true,
  drained: true,
  undrained: true,
  trunk: true,
  readiness: true,
};

/** Events as an operator follows them. */
export function eventsView(bus: EventBus): EventsView {
  return {
    follow({ recent = 0, ...filter }, signal) {
      const queue = new EventQueue(bus, { maxWaiting: MAX_WAITING, accepts: filterOf(filter), recent });
      if (signal.aborted) queue.end();
      else signal.addEventListener('abort', () => queue.end());
      return parts(queue);
    },
  };
}

async function* parts(queue: EventQueue): AsyncGenerator<StreamPart<'events'>> {
  for await (const { dropped, events } of queue) yield { dropped, events: events.map((event) => ({ ...event })) };
}

/** @throws Refused */
function filterOf({ aor, types }: StreamParams<'events'>): (event: PublishedEvent) => boolean {
  const names = Object.keys(TYPES);
  const unknown = types?.find((type) => !names.includes(type));
  if (unknown !== undefined)
    throw new Refused(`no event is ${unknown}; they are ${names.join(', ')}${didYouMean(unknown, names)}`);
  const wanted = aor === undefined ? undefined : lowerCaseRealm(aor);
  return (event) =>
    (types?.includes(event.type) ?? true) &&
    (wanted === undefined || ('aor' in event && event.aor !== undefined && lowerCaseRealm(event.aor) === wanted));
}

function lowerCaseRealm(aor: string): string {
  const name = readAorName(aor.replace(/^sips?:/i, ''));
  return name ? aorName({ ...name, realm: name.realm.toLowerCase() }) : aor;
}
