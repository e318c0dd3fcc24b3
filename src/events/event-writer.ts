import { turn } from '../lib/background.ts';
import type { Logger } from '../lib/logger.ts';
import { OncePer } from '../lib/once-per.ts';
import { sleep, type Timers } from '../lib/timers.ts';
import type { EventSink, PublishedEvent } from '../ports/events.ts';
import type { EventBus } from './bus.ts';
import { EventQueue } from './event-queue.ts';

/** Events that wait for the sink, a few MB at most; as many may be on their way. */
const MAX_WAITING = 2000;
const BATCH = 100;
const RETRY_MS = 2000;
/** Between two lines about lost events, milliseconds. */
const REPORT_INTERVAL_MS = 60_000;

/**
 * Writes every event to a sink in the background, in order. After a failure the same events are written again: some may
 * come twice. While the sink is away the oldest events are dropped beyond the bound, and counted.
 */
export class EventWriter {
  readonly #queue: EventQueue;
  readonly #stopping = new AbortController();
  readonly #reports: OncePer;
  #dropped = 0;
  #writing: Promise<void> | undefined;

  constructor(
    bus: EventBus,
    private readonly sink: EventSink,
    private readonly timers: Timers,
    private readonly logger: Logger,
  ) {
    this.#queue = new EventQueue(bus, { maxWaiting: MAX_WAITING });
    this.#reports = new OncePer(REPORT_INTERVAL_MS, timers);
  }

  start(): void {
    this.#writing ??= this.#write();
  }

  /** Writes what waits, once. Resolves when that is done or has failed. */
  async stop(): Promise<void> {
    this.#queue.end();
    this.#stopping.abort();
    await this.#writing;
  }

  async #write(): Promise<void> {
    for await (const { dropped, events } of this.#queue) {
      this.#dropped += dropped;
      let written = 0;
      while (written < events.length && (await this.#append(events.slice(written, written + BATCH)))) written += BATCH;
      this.#dropped += Math.max(0, events.length - written);
      this.#report();
    }
  }

  /** @returns false when the sidecar stops before the sink takes them */
  async #append(events: readonly PublishedEvent[]): Promise<boolean> {
    const write = async () => {
      await this.sink.append(events);
      return true;
    };
    const { signal } = this.#stopping;
    while (!(await turn(this.logger, 'writing of events', write, this.timers))) {
      if (signal.aborted) return false;
      await sleep(RETRY_MS, this.timers, signal);
    }
    return true;
  }

  #report(): void {
    if (this.#dropped === 0 || !(this.#stopping.signal.aborted || this.#reports.isDue(''))) return;
    this.logger.warn({ events: this.#dropped }, 'events were not written');
    this.#dropped = 0;
  }
}
