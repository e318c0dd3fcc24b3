import type { PublishedEvent } from '../../ports/events.ts';
import { byId, make, setText, type Tone } from './dom.ts';
import { clock, count } from './format.ts';

const MAX_SHOWN = 200;

/** The newest events, the newest first. */
export class EventList {
  readonly #list = byId('events', HTMLOListElement);
  readonly #pause = byId('pause', HTMLButtonElement);
  #isPaused = false;
  /** While paused. */
  #waiting: PublishedEvent[] = [];
  #lost = 0;

  constructor() {
    // So that the keyboard scrolls it.
    byId('events-region', HTMLElement).tabIndex = 0;
    this.#pause.onclick = () => {
      this.#isPaused = !this.#isPaused;
      this.#pause.setAttribute('aria-pressed', String(this.#isPaused));
      this.#show(this.#waiting.splice(0));
      this.#note();
    };
  }

  /** Forgets all: others follow. */
  clear(): void {
    this.#list.replaceChildren();
    this.#waiting = [];
    this.#lost = 0;
    this.#note();
  }

  add(events: readonly PublishedEvent[], lost: number): void {
    this.#lost += lost;
    if (this.#isPaused) this.#waiting = [...this.#waiting, ...events].slice(-MAX_SHOWN);
    else this.#show(events);
    this.#note();
  }

  #show(events: readonly PublishedEvent[]): void {
    const items = events.slice(-MAX_SHOWN).map(item).reverse();
    this.#list.prepend(...items);
    while (this.#list.childElementCount > MAX_SHOWN) this.#list.lastElementChild?.remove();
  }

  #note(): void {
    const paused = this.#isPaused ? `paused, ${count(this.#waiting.length)} wait` : '';
    const lost = this.#lost > 0 ? `${count(this.#lost)} events came too fast and are not shown` : '';
    setText(byId('lost', HTMLElement), [paused, lost].filter((text) => text !== '').join('; '));
  }
}

const TONES: Partial<Record<PublishedEvent['type'], Tone>> = {
  registered: 'good',
  refused: 'bad',
  banned: 'bad',
  expired: 'warn',
  'connection-lost': 'warn',
  drained: 'warn',
};

function item(event: PublishedEvent): HTMLElement {
  const time = make('time', clock(event.at));
  time.dateTime = new Date(event.at).toISOString();
  const element = make('li');
  const { subject, rest } = described(event);
  element.append(time, make('b', event.type, TONES[event.type]), make('span', subject, 'subject'), make('span', rest));
  return element;
}

/** What an event is about, and what is said of it. */
function described(event: PublishedEvent): { subject: string; rest: string } {
  const joined = (...parts: (string | undefined)[]) => parts.filter((part) => part !== undefined).join(' · ');
  switch (event.type) {
    case 'refused': {
      const reason = `${event.reason} (${event.status})`;
      return { subject: event.aor ?? '–', rest: joined(reason, event.source, event.transport, event.userAgent) };
    }
    case 'banned':
      return { subject: event.source, rest: event.until === undefined ? '' : `until ${clock(event.until)}` };
    case 'unbanned':
      return { subject: event.source, rest: '' };
    case 'drained':
    case 'undrained':
      return { subject: event.server, rest: '' };
    case 'trunk':
      return { subject: event.carrier, rest: joined(event.state, event.reason) };
    case 'readiness':
      return { subject: event.state, rest: event.why ?? '' };
    default:
      return {
        subject: event.aor,
        rest: joined(event.cause, event.source, event.transport, event.userAgent, event.contact),
      };
  }
}
