import type { Timer, Timers } from '../lib/timers.ts';

/** How late a wake-up may be, as a fraction of the delay, so that one wake-up serves many items. */
const SLACK = 1 / 64;

/**
 * All timers of one length. Items expire in the order in which they were added, so a linked list and one timer for its
 * head replace a timer per item. Adding, cancelling and restarting take constant time.
 */
export class DelayQueue<T> {
  #head: Delay<T> | undefined;
  #tail: Delay<T> | undefined;
  #wakeUp: Timer | undefined;

  constructor(
    readonly ms: number,
    private readonly timers: Timers,
    private readonly expire: (item: T) => void,
  ) {}

  /** Calls `expire` with the item after the delay, at most a 64th of it late. */
  add(item: T): Delay<T> {
    const delay = new Delay(item, this);
    this.append(delay);
    return delay;
  }

  get oldest(): T | undefined {
    return this.#head?.item;
  }

  clear(): void {
    while (this.#head) this.remove(this.#head);
    this.#wakeUp?.cancel();
    this.#wakeUp = undefined;
  }

  /** Only for {@link Delay}, like {@link remove}. */
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
      this.#wakeUp = undefined;
      if (this.#head) this.#wakeUpAfter(Math.max(this.#head.due - now, this.ms * SLACK));
    });
  }
}

export class Delay<T> {
  due = 0;
  waiting = false;
  previous: Delay<T> | undefined;
  next: Delay<T> | undefined;

  constructor(
    readonly item: T,
    private readonly queue: DelayQueue<T>,
  ) {}

  restart(): void {
    this.cancel();
    this.queue.append(this);
  }

  /** Does nothing after the item has expired. */
  cancel(): void {
    if (this.waiting) this.queue.remove(this);
  }
}
