import type { Timer, Timers } from '../../src/lib/timers.ts';

interface Entry {
  readonly at: number;
  readonly order: number;
  callback: (() => void) | undefined;
}

/** Timers that only `advance` moves. Due timers are called in the order of their times. */
export class ManualTimers implements Timers {
  /** A binary heap by time, then by age. */
  readonly #heap: Entry[] = [];
  #elapsed = 0;
  #made = 0;
  /** Difference between the wall clock and the monotonic clock, milliseconds. */
  skew = 0;

  constructor(private readonly epoch = Date.UTC(2026, 0, 1)) {}

  now(): number {
    return this.epoch + this.#elapsed + this.skew;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  get pending(): number {
    return this.#heap.filter((entry) => entry.callback).length;
  }

  /** Milliseconds until the next timer. */
  get next(): number | undefined {
    while (this.#heap[0] && !this.#heap[0].callback) this.#take();
    return this.#heap[0] && this.#heap[0].at - this.#elapsed;
  }

  after(ms: number, callback: () => void): Timer {
    if (!Number.isFinite(ms)) throw new RangeError(`a timer of ${ms} ms`);
    const entry: Entry = { at: this.#elapsed + Math.max(ms, 0), order: this.#made++, callback };
    this.#put(entry);
    return {
      cancel: () => {
        entry.callback = undefined;
      },
    };
  }

  advance(ms: number): void {
    const end = this.#elapsed + ms;
    while ((this.next ?? Number.POSITIVE_INFINITY) <= end - this.#elapsed) this.#fire();
    this.#elapsed = end;
  }

  /** Advances, and settles promises after each moment at which timers are due. */
  async advanceAsync(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    await settle();
    while ((this.next ?? Number.POSITIVE_INFINITY) <= end - this.#elapsed) {
      const at = this.#elapsed + (this.next ?? 0);
      while (this.next !== undefined && this.#elapsed + this.next <= at) this.#fire();
      await settle();
    }
    this.#elapsed = end;
  }

  #fire(): void {
    const entry = this.#take();
    if (!entry) return;
    this.#elapsed = Math.max(entry.at, this.#elapsed);
    const { callback } = entry;
    entry.callback = undefined;
    callback?.();
  }

  #put(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (!above || before(above, entry)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #take(): Entry | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (!first || !last || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      const [left, right] = [heap[below], heap[below + 1]];
      if (left && right && before(right, left)) below++;
      const child = heap[below];
      if (!child || before(last, child)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

/** The time of other timers, but each wait is over at once. */
export function impatient(timers: Timers): Timers {
  return {
    now: () => timers.now(),
    monotonic: () => timers.monotonic(),
    after(_ms, callback) {
      let waiting = true;
      queueMicrotask(() => {
        if (waiting) callback();
      });
      return {
        cancel() {
          waiting = false;
        },
      };
    },
  };
}

/** Resolves when the queue of microtasks is empty. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
