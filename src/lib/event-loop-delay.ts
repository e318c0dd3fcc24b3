import type { Timer, Timers } from './timers.ts';

const INTERVAL_MS = 100;

/** Measures by how much the event loop delays a timer: as long as a request may have to wait for its turn. */
export class EventLoopDelay {
  #timer: Timer | undefined;

  /** @param measured called ten times a second with a delay in milliseconds */
  constructor(
    private readonly timers: Timers,
    private readonly measured: (ms: number) => void,
  ) {}

  start(): void {
    const due = this.timers.monotonic() + INTERVAL_MS;
    this.#timer = this.timers.after(INTERVAL_MS, () => {
      this.measured(Math.max(0, this.timers.monotonic() - due));
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }
}
