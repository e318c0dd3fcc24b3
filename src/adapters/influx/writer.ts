import { background, logFault } from '../../lib/background.ts';
import { withDeadline } from '../../lib/deadline.ts';
import { Dependency } from '../../lib/dependency.ts';
import type { Logger } from '../../lib/logger.ts';
import { sleep, type Timer, type Timers } from '../../lib/timers.ts';
import { QueryFault, Unavailable } from '../../ports/errors.ts';
import type { InfluxClient } from './client.ts';
import type { Database, PointLine } from './points.ts';

/** Points kept while they cannot be written; beyond it the oldest are dropped. */
export const MAX_WAITING = 5_000;
export const BATCH_POINTS = 500;
/** How long a point waits for others of its batch, milliseconds. */
const FLUSH_MS = 1_000;
const MAX_RECHECK_MS = 30_000;
/** How long a stop waits for the last points, and pauses between its attempts, milliseconds. */
const STOP_MS = 3_000;
const STOP_RETRY_MS = 250;

const SAVING = 'saving of alerts';

export interface PointWriterOptions {
  readonly client: Pick<InfluxClient, 'address' | 'ping' | 'write' | 'close'>;
  readonly timers: Timers;
  readonly logger: Logger;
}

/**
 * Writes points in the background, in batches and in order. During an outage they wait, and the probe of the dependency
 * writes the first of them. Points that InfluxDB refuses as invalid are dropped.
 */
export class PointWriter {
  readonly dependency: Dependency;
  #waiting: PointLine[] = [];
  /** Points in the batch that is being written. */
  #underWay = 0;
  #writing: Promise<void> | undefined;
  #timer: Timer | undefined;
  #dropped = 0;
  /** Dropped since the last batch was written. */
  #newlyDropped = 0;
  #stopped = false;

  constructor(private readonly options: PointWriterOptions) {
    const { client, timers, logger } = options;
    this.dependency = new Dependency({
      name: 'InfluxDB',
      address: client.address,
      affects: 'alerts are kept until it answers, phones are served',
      probe: () => this.#probe(),
      maxRecheckMs: MAX_RECHECK_MS,
      timers,
      logger,
    });
  }

  get waiting(): number {
    return this.#waiting.length + this.#underWay;
  }

  /** Points that were not written, since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  add(point: PointLine): void {
    this.#waiting.push(point);
    this.#keepBound();
    this.#writeSoon();
  }

  /** Writes what waits, for at most 3 s, but does not wait for an outage to end. */
  async stop(): Promise<void> {
    const { client, timers, logger } = this.options;
    this.dependency.stop();
    this.#timer?.cancel();
    const late = () => new Unavailable('InfluxDB', 'no answer in time');
    try {
      await withDeadline(this.#writeAll(), STOP_MS, late, timers);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      logger.warn({ points: this.waiting, why: error.why }, 'alerts lost at the stop');
    } finally {
      this.#stopped = true;
      client.close();
    }
  }

  async #writeAll(): Promise<void> {
    const { timers } = this.options;
    while (this.waiting > 0 && !this.#stopped)
      try {
        await this.#writeBatch();
      } catch (error) {
        if (!(error instanceof Unavailable) || this.dependency.health.state !== 'up') throw error;
        await sleep(STOP_RETRY_MS, timers);
      }
  }

  #writeSoon(): void {
    const { timers, logger } = this.options;
    this.#timer ??= timers.after(FLUSH_MS, () => {
      this.#timer = undefined;
      background(logger, SAVING, () => this.#turn(), timers);
    });
  }

  async #turn(): Promise<void> {
    try {
      while (this.#waiting.length > 0) await this.dependency.ask(() => this.#writeBatch());
    } catch (error) {
      // The dependency logs the outage, and its probe writes when it is over.
      if (!(error instanceof Unavailable)) throw error;
    }
  }

  async #probe(): Promise<void> {
    if (this.waiting === 0) return this.options.client.ping();
    await this.#writeBatch();
    if (this.#waiting.length > 0) this.#writeSoon();
  }

  /** Writes the oldest batch, or waits for the one being written. @throws Unavailable, and the batch waits again */
  #writeBatch(): Promise<void> {
    this.#writing ??= this.#writeNow().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeNow(): Promise<void> {
    const { client, timers, logger } = this.options;
    const { database, batch } = this.#takeBatch();
    try {
      await client.write(
        database,
        batch.map(({ line }) => line),
      );
      this.#reportDropped();
    } catch (error) {
      if (!(error instanceof QueryFault)) {
        this.#waiting.unshift(...batch);
        throw error;
      }
      this.#dropped += batch.length;
      logFault(logger, SAVING, error, timers);
    } finally {
      this.#underWay = 0;
      this.#keepBound();
    }
  }

  /** The oldest points, all of one database. */
  #takeBatch(): { readonly database: Database; readonly batch: readonly PointLine[] } {
    const database = this.#waiting[0]?.database ?? 'alerts';
    const other = this.#waiting.findIndex((point) => point.database !== database);
    const batch = this.#waiting.splice(0, Math.min(other === -1 ? BATCH_POINTS : other, BATCH_POINTS));
    this.#underWay = batch.length;
    return { database, batch };
  }

  #keepBound(): void {
    const excess = this.waiting - MAX_WAITING;
    if (excess <= 0) return;
    if (this.#newlyDropped === 0) this.options.logger.warn({ waiting: MAX_WAITING }, 'the oldest alerts are dropped');
    this.#waiting.splice(0, excess);
    this.#dropped += excess;
    this.#newlyDropped += excess;
  }

  #reportDropped(): void {
    if (this.#newlyDropped > 0) this.options.logger.warn({ dropped: this.#newlyDropped }, 'alerts were dropped');
    this.#newlyDropped = 0;
  }
}
