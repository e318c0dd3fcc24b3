import { setImmediate } from 'node:timers/promises';

interface Waiting {
  readonly at: number;
  readonly fn: () => void;
}

/** A clock with timers that stands still until it is moved. */
export class ManualTimers {
  #waiting = new Set<Waiting>();

  constructor(private time = Date.UTC(2026, 0, 1)) {}

  now(): number {
    return this.time;
  }

  after(ms: number, fn: () => void): { cancel(): void } {
    const waiting = { at: this.time + ms, fn };
    this.#waiting.add(waiting);
    return { cancel: () => void this.#waiting.delete(waiting) };
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#waiting.size;
  }

  /** Moves it on, milliseconds; what is due on the way runs at its time, and what follows from it without waiting too. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    await settled();
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#waiting.delete(next);
      this.time = next.at;
      next.fn();
      await settled();
    }
    this.time = end;
  }

  #next(end: number): Waiting | undefined {
    let next: Waiting | undefined;
    for (const waiting of this.#waiting) if (waiting.at <= end && !(next && next.at <= waiting.at)) next = waiting;
    return next;
  }
}

/** Lets promises that wait for nothing from outside run to their end. */
function settled(): Promise<void> {
  return setImmediate();
}
