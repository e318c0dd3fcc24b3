import { cut } from '../lib/text.ts';
import type { Clock } from '../lib/timers.ts';
import type { Events, PublishedEvent, SidecarEvent } from '../ports/events.ts';

type Follower = (event: PublishedEvent) => void;

/** Events kept for followers that join later. */
const KEPT_EVENTS = 500;
/** Texts come from phones and carriers; characters. */
const MAX_TEXT = 1024;

/** Hands every event to each follower, in order. Texts longer than 1024 characters are cut. */
export class EventBus implements Events {
  readonly #followers = new Set<Follower>();
  #recent: PublishedEvent[] = [];
  #lastId = 0;

  constructor(private readonly clock: Clock) {}

  emit(event: SidecarEvent): void {
    const published = { id: ++this.#lastId, at: this.clock.now(), ...shortened(event) };
    this.#recent.push(published);
    if (this.#recent.length >= 2 * KEPT_EVENTS) this.#recent = this.#recent.slice(-KEPT_EVENTS);
    for (const follow of this.#followers) follow(published);
  }

  /** Calls `follower`, which must not throw, with each event from now on. @returns a function that ends it */
  follow(follower: Follower): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  /** The last events, oldest first, at most 500. */
  recent(): readonly PublishedEvent[] {
    return this.#recent.slice(-KEPT_EVENTS);
  }
}

function shortened<E extends SidecarEvent>(event: E): E {
  const long = Object.entries(event).filter(([, value]) => typeof value === 'string' && value.length > MAX_TEXT);
  if (long.length === 0) return event;
  return { ...event, ...Object.fromEntries(long.map(([name, value]) => [name, cut(value, MAX_TEXT)])) };
}
