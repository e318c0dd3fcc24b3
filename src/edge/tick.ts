/**
 * Collects what is to be written and hands it over in one piece once the events at hand have been dealt with: under load
 * there are many messages at hand, and one write costs as much as the rest of what a message costs.
 */
export class Batch<T> {
  #items: T[] = [];
  #planned = false;

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

  flushNow(): void {
    const items = this.#items;
    if (items.length === 0) return;
    this.#items = [];
    this.flush(items);
  }
}
