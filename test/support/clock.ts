import type { Clock } from '../../src/lib/timers.ts';

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  constructor(private time = Date.UTC(2026, 0, 1)) {}

  now(): number {
    return this.time;
  }

  /** Moves it on, milliseconds. */
  advance(ms: number): void {
    this.time += ms;
  }
}
