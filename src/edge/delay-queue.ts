import type { Timer, Timers } from '../lib/timers.ts';

/** A wake-up may be late by this fraction of the delay, so that one wake-up serves many items. */
const SLACK = 1 / 64;

/**
 * All timers of one kind. SIP's timers have few, fixed lengths, so whoever came first is due first: a linked list and
 * one timer for its head do what a hundred thousand timers would, and joining, leaving and starting anew cost the same
 * few assignments whatever the length of the queue.
 */
export class DelayQueue<T> {
  #head: Delay<T> | undefined;
  #tail: Delay<T> | undefined;
  #wakeUp: Timer | undefined;

  constructor(
    /** The length of the delay. */
    readonly ms: number,
    private readonly timers: Timers,
    private readonly expire: (item: T) => void,
  ) {}

  /** `expire` is called for the item after the delay of this queue, at most a 64th of it late. */
  add(item: T): Delay<T> {
    const delay = new Delay(item, this);
    this.append(delay);
    return delay;
  }

  /** The item that is due next. */
  get oldest(): T | undefined {
    return this.#head?.item;
  }

  /** Forgets everyone. */
  clear(): void {
    while (this.#head) this.remove(this.#head);
    this.#wakeUp?.cancel();
    this.#wakeUp = undefined;
  }

  /** For {@link Delay} alone, as is {@link remove}. */
  append(delay: Delay<T>): void {
    delay.due = this.timers.monotonic() + this.ms;
    delay.waiting = true;
    delay.previous = this.#tail;
    if (this.#tail) this.#tail.next = delay;
    else this.#head = delay;
    this.#tail = delay;
    if (!this.#wakeUp) this.#wakeUpAfter(this.ms);
  }

  remove(delay: Delay<T>): void {
    const { previous, next } = delay;
    if (previous) previous.next = next;
    else this.#head = next;
    if (next) next.previous = previous;
    else this.#tail = previous;
    delay.waiting = false;
    delay.previous = undefined;
    delay.next = undefined;
  }

  #wakeUpAfter(ms: number): void {
    this.#wakeUp = this.timers.after(ms, () => {
      const now = this.timers.monotonic();
      while (this.#head && this.#head.due <= now) {
        const { item } = this.#head;
        this.remove(this.#head);
        this.expire(item);
      }
      // Whoever joined meanwhile is due after the one who is first now.
      this.#wakeUp = undefined;
      if (this.#head) this.#wakeUpAfter(Math.max(this.#head.due - now, this.ms * SLACK));
    });
  }
}

/** A place in a queue; whoever waits keeps it to leave early or to wait anew. */
export class Delay<T> {
  due = 0;
  waiting = false;
  previous: Delay<T> | undefined;
  next: Delay<T> | undefined;

  constructor(
    readonly item: T,
    private readonly queue: DelayQueue<T>,
  ) {}

  /** Lets the whole delay pass once more, from now on. */
  restart(): void {
    this.cancel();
    this.queue.append(this);
  }

  /** Leaves the queue; nothing happens when it has left already. */
  cancel(): void {
    if (this.waiting) this.queue.remove(this);
  }
}
