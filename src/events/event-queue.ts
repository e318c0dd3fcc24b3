import type { PublishedEvent } from '../ports/events.ts';
import type { EventBus } from './bus.ts';

export interface EventBatch {
  /** Events lost before these. */
  readonly dropped: number;
  readonly events: readonly PublishedEvent[];
}

export interface EventQueueOptions {
  /** Events that wait at most; the oldest is dropped beyond it. */
  readonly maxWaiting: number;
  readonly accepts?: (event: PublishedEvent) => boolean;
  /** How many earlier events come first, as far as the bus keeps them. */
  readonly recent?: number;
}

/** Follows events for a slow reader, who gets all that wait at once. It loses the oldest rather than fill our memory. */
export class EventQueue implements AsyncIterableIterator<EventBatch> {
  #waiting: PublishedEvent[];
  #dropped = 0;
  #wake: (() => void) | undefined;
  #ended = false;
  readonly #unfollow: () => void;

  constructor(bus: EventBus, { maxWaiting, accepts = () => true, recent = 0 }: EventQueueOptions) {
    this.#waiting = recent > 0 ? bus.recent().filter(accepts).slice(-recent) : [];
    this.#unfollow = bus.follow((event) => {
      if (!accepts(event)) return;
      this.#waiting.push(event);
      if (this.#waiting.length > maxWaiting) {
        this.#waiting.shift();
        this.#dropped++;
      }
      this.#wake?.();
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Resolves when an event waits, or the queue has ended. One call at a time. */
  async next(): Promise<IteratorResult<EventBatch, undefined>> {
    if (this.#waiting.length === 0 && !this.#ended) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = undefined;
    }
    return this.#waiting.length > 0 ? { done: false, value: this.take() } : { done: true, value: undefined };
  }

  /** What waits now, which may be nothing. */
  take(): EventBatch {
    const batch = { dropped: this.#dropped, events: this.#waiting };
    this.#waiting = [];
    this.#dropped = 0;
    return batch;
  }

  /** Follows no longer. What waits can still be read. */
  end(): void {
    this.#ended = true;
    this.#unfollow();
    this.#wake?.();
  }

  async return(): Promise<IteratorResult<EventBatch, undefined>> {
    this.end();
    this.take();
    return { done: true, value: undefined };
  }
}
