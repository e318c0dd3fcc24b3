import type { Clock } from '../lib/timers.ts';
import type { Events, SidecarEvent } from '../ports/events.ts';

/** An event as followers get it. */
export type PublishedEvent = SidecarEvent & {
  /** Counts up by one within a process. */
  readonly id: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
};

type Follower = (event: PublishedEvent) => void;

/** Events kept for followers that join later. */
const KEPT_EVENTS = 500;

/** Hands every event to each follower, in order. */
export class EventBus implements Events {
  readonly #followers = new Set<Follower>();
  #recent: PublishedEvent[] = [];
  #lastId = 0;

  constructor(private readonly clock: Clock) {}

  emit(event: SidecarEvent): void {
    const published = { id: ++this.#lastId, at: this.clock.now(), ...event };
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
