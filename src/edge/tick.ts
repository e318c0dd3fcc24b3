import type { Wire } from '../sip/message.ts';

export function joined(messages: readonly Wire[]): Wire {
  const [only] = messages;
  if (only !== undefined && messages.length === 1) return only;
  if (messages.every((message) => typeof message === 'string')) return messages.join('');
  return Buffer.concat(messages.map((message) => (typeof message === 'string' ? Buffer.from(message) : message)));
}

/**
 * Collects items and flushes them once per turn of the event loop: a write costs as much as all other work for a
 * message, and under load a turn has many messages.
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
