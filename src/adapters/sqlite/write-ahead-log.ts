import { Database } from 'bun:sqlite';
import { logFault } from '../../lib/background.ts';
import type { Logger } from '../../lib/logger.ts';
import { type DatabaseFiles, SyncFault } from './database-files.ts';

/** Sizes of the log, bytes. */
export interface LogLimits {
  /** After so much is new in the log, it is copied to the database file. This takes some milliseconds of the event loop. */
  readonly copyBytes: number;
  /** Above this size the log is emptied. No group is committed meanwhile, which is the time of three syncs. */
  readonly resetBytes: number;
}

const LIMITS: LogLimits = { copyBytes: 4 << 20, resetBytes: 64 << 20 };

/**
 * The write-ahead log of a database (https://sqlite.org/walformat.html), synced and checkpointed without blocking the
 * event loop: a commit only writes to the page cache, and the syncs are ours.
 *
 * Three rules keep the database whole when the power fails at any moment:
 * 1. Pages are copied to the database file only when the log that has them is on disk.
 * 2. The log is emptied only when the database file is on disk. From a copy on, an open read transaction keeps SQLite
 *    from overwriting it, also in statements that know nothing of this class.
 * 3. A new log begins only when the file is empty on disk: old and new frames could be mixed there otherwise.
 */
export class WriteAheadLog {
  /** Has the read transaction of rule 2. */
  readonly #reader: Database;
  #copying: Promise<void> | undefined;
  #fault: SyncFault | undefined;
  #copyAt: number;
  #resetAt: number;

  /**
   * Writes what an earlier process has left in the log to the database file, with SQLite's own syncs: that process may
   * have ended because of a SyncFault. @throws SQLiteError
   */
  constructor(
    private readonly database: Database,
    private readonly files: DatabaseFiles,
    private readonly logger: Logger,
    private readonly limits = LIMITS,
  ) {
    checkpoint(database, 'TRUNCATE');
    this.#copyAt = limits.copyBytes;
    this.#resetAt = limits.resetBytes;
    this.#reader = new Database(database.filename, { strict: true });
    // It empties the log, and does not wait for readers in other processes.
    this.#reader.run('PRAGMA busy_timeout = 0');
    // The first read opens the files: better now than when descriptors are scarce.
    this.#read();
  }

  /** From now on commits are not synced to disk by SQLite. */
  start(): void {
    this.database.run('PRAGMA wal_autocheckpoint = 0');
    this.database.run('PRAGMA synchronous = NORMAL');
  }

  /** Resolves when all that is committed now is on disk. @throws SyncFault */
  sync(): Promise<void> {
    return this.files.syncLog();
  }

  /**
   * Copies or empties the log when it is large. Call it when everything that was promised to be on disk is; resolves when
   * more may be committed. An error of SQLite is logged: the log goes on to grow, and a later call tries again.
   * @returns undefined when there is nothing to do
   * @throws SyncFault, also one of a copy that an earlier call has begun
   */
  maintain(): Promise<void> | undefined {
    const bytes = this.files.logBytes();
    const isDue = this.#fault !== undefined || bytes >= Math.min(this.#copyAt, this.#resetAt);
    return isDue ? this.#maintain(bytes) : undefined;
  }

  async #maintain(bytes: number): Promise<void> {
    if (bytes >= this.#resetAt) {
      this.#resetAt = bytes + this.limits.copyBytes;
      await this.#copying;
      if (!this.#fault) await this.#checked(() => this.#reset());
    } else if (bytes >= this.#copyAt && !this.#copying && !this.#fault) {
      this.#copyAt = bytes + this.limits.copyBytes;
      this.#copying = this.#checked(() => this.#copy()).finally(() => {
        this.#copying = undefined;
      });
    }
    if (this.#fault) throw this.#fault;
  }

  async close(): Promise<void> {
    await this.#copying;
    this.#reader.close();
  }

  /** Copies to the database file what the log has now. */
  async #copy(): Promise<void> {
    this.#release();
    this.#reader.run('BEGIN');
    // The transaction begins with the first read. Later commits are not copied.
    this.#read();
    await this.files.syncLog();
    this.#withoutSync(() => checkpoint(this.database, 'PASSIVE'));
    await this.files.syncDatabase();
  }

  async #reset(): Promise<void> {
    await this.#copy();
    this.#release();
    // A statement that came in between is synced and copied here by SQLite itself.
    if (!checkpoint(this.#reader, 'TRUNCATE')) return;
    await this.files.syncLog();
    this.#copyAt = this.limits.copyBytes;
    this.#resetAt = this.limits.resetBytes;
    // SQLite would sync the header of the new log at the next commit. This writes a page without changing anything.
    this.#withoutSync(() => this.database.run('PRAGMA user_version = 0'));
  }

  #read(): void {
    this.#reader.query('SELECT 1 FROM settings').get();
  }

  #release(): void {
    if (this.#reader.inTransaction) this.#reader.run('COMMIT');
  }

  #withoutSync(work: () => void): void {
    this.database.run('PRAGMA synchronous = OFF');
    try {
      work();
    } finally {
      this.database.run('PRAGMA synchronous = NORMAL');
    }
  }

  async #checked(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof SyncFault) this.#fault = error;
      else logFault(this.logger, 'checkpoint of the database', error);
    }
  }
}

/** @returns false when another process prevents it */
function checkpoint(database: Database, mode: 'PASSIVE' | 'TRUNCATE'): boolean {
  return database.query<{ busy: number }, []>(`PRAGMA wal_checkpoint(${mode})`).get()?.busy === 0;
}
