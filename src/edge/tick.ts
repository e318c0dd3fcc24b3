/** How long a thing that nobody waits for may lie; a request more and it goes along. */
const UNHURRIED_MS = 10;

/**
 * Collects what is to be written and hands it over in one piece once the events at hand have been dealt with: a write
 * costs more than all else that a message costs, and under load there are many messages at hand.
 */
export class Batch<T> {
  #items: T[] = [];
  #planned = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly flush: (items: T[]) => void) {}

  add(item: T): void {
    this.#items.push(item);
    if (this.#planned) return;
    this.#planned = true;
    setImmediate(() => {
      this.#planned = false;
      this.flushNow();
    });
  }

  /** Adds in its order what may wait for the next {@link add}, but not for ever. */
  addUnhurried(item: T): void {
    this.#items.push(item);
    if (!this.#planned) this.#timer ??= setTimeout(() => this.flushNow(), UNHURRIED_MS);
  }

  flushNow(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const items = this.#items;
    if (items.length === 0) return;
    this.#items = [];
    this.flush(items);
  }
}
