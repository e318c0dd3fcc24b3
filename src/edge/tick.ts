import type { Wire } from '../sip/message.ts';

/** Several messages as one. */
export function joined(messages: readonly Wire[]): Wire {
  const [only] = messages;
  if (only !== undefined && messages.length === 1) return only;
  if (messages.every((message) => typeof message === 'string')) return messages.join('');
  return Buffer.concat(messages.map((message) => (typeof message === 'string' ? Buffer.from(message) : message)));
}

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
