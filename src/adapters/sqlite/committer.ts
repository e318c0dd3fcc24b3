import type { Database } from 'bun:sqlite';
import { withDeadline } from '../../lib/deadline.ts';
import { sleep, type Timer, type Timers } from '../../lib/timers.ts';
import { Unavailable } from '../../ports/errors.ts';
import { guarded } from './guarded.ts';
import type { WriteAheadLog } from './write-ahead-log.ts';

/** Groups begin at least this far apart, ms: under load more changes share a sync, and wait half of this for it. */
const GATHERING_MS = 2;
/** After this long a sync counts as an outage, ms. */
const SYNC_TIMEOUT_MS = 5_000;
/** The log is looked at this often when nothing is committed here, ms. */
const MAINTENANCE_INTERVAL_MS = 1_000;

interface Change {
  /** @returns a function to call after the sync; undefined when the change failed and its caller knows */
  readonly commit: () => (() => void) | undefined;
  readonly reject: (error: Error) => void;
}

/**
 * Commits changes in groups, one sync to disk for each, while the event loop goes on. What arrives during a sync is
 * committed after it: at most one group is in the database and not on disk.
 */
export class Committer {
  #waiting: Change[] = [];
  #running: Promise<void> | undefined;
  #outage: Unavailable | undefined;
  #timer: Timer | undefined;
  #lastGroupAt = Number.NEGATIVE_INFINITY;

  /**
   * @param lost called after a SyncFault, when all waiting changes have been rejected; nothing can be committed any more, and nothing
   * that is read can be relied on, until the database is opened anew
   */
  constructor(
    private readonly database: Database,
    private readonly log: Pick<WriteAheadLog, 'sync' | 'maintain'>,
    private readonly timers: Timers,
    private readonly lost: (error: unknown) => void,
  ) {}

  start(): void {
    this.#timer = this.timers.after(MAINTENANCE_INTERVAL_MS, () => {
      this.start();
      this.#run();
    });
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#running;
  }

  /** Why nothing can be committed at present: a sync takes too long, or has failed. */
  get outage(): Unavailable | undefined {
    return this.#outage;
  }

  /**
   * Runs `work` in a transaction of its own. Resolves when it is on disk.
   * @throws DependencyError; after one of a sync the change may be in the database all the same
   */
  durably<T>(work: () => T): Promise<T> {
    if (this.#outage) return Promise.reject(this.#outage);
    return new Promise((resolve, reject) => {
      const commit = () => {
        try {
          const result = guarded(this.database.transaction(work));
          return () => resolve(result);
        } catch (error) {
          reject(error);
          return undefined;
        }
      };
      this.#waiting.push({ commit, reject });
      this.#run();
    });
  }

  #run(): void {
    this.#running ??= this.#commitGroups().then(
      () => {
        this.#running = undefined;
        if (this.#waiting.length > 0) this.#run();
      },
      (error) => this.lost(error),
    );
  }

  async #commitGroups(): Promise<void> {
    do {
      await this.#gathered();
      const group = this.#waiting;
      this.#waiting = [];
      const resolvers = group.flatMap(({ commit }) => commit() ?? []);
      if (resolvers.length > 0) await this.#orOutage(this.log.sync(), group);
      for (const resolve of resolvers) resolve();
      const upkeep = this.log.maintain();
      if (upkeep) await this.#orOutage(upkeep, []);
    } while (this.#waiting.length > 0);
  }

  /** Waits for the changes that are to be the next group. */
  async #gathered(): Promise<void> {
    const pause = this.#lastGroupAt + GATHERING_MS - this.timers.monotonic();
    await (pause > 0 ? sleep(pause, this.timers) : turnOfEventLoop());
    this.#lastGroupAt = this.timers.monotonic();
  }

  /** Waits for work on the disk. While it takes too long all changes are refused. */
  async #orOutage(work: Promise<void>, group: readonly Change[]): Promise<void> {
    const late = () => new Unavailable('SQLite', `no sync to disk within ${SYNC_TIMEOUT_MS} ms`);
    try {
      await withDeadline(work, SYNC_TIMEOUT_MS, late, this.timers);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#outage = error instanceof Unavailable ? error : new Unavailable('SQLite', why);
      for (const { reject } of [...group, ...this.#waiting]) reject(this.#outage);
      this.#waiting = [];
      await work;
      this.#outage = undefined;
    }
  }
}

function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
