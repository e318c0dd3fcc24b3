import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../bench/lib/random.ts';
import type { DatabaseFiles } from '../../src/adapters/sqlite/database-files.ts';
import { DATABASE_FILE } from '../../src/adapters/sqlite/open.ts';
import { temporaryDirectory } from './cleanup.ts';

const BLOCK = 512;

interface Contents {
  readonly log: Buffer;
  readonly database: Buffer;
}

/**
 * The disk under a database in WAL mode. A file's contents are on it when a sync that began later has ended; of what was
 * written since, any blocks may be. {@link afterPowerFailure} shows what a power failure now would leave.
 */
export class FailingDisk implements DatabaseFiles {
  /** Called when a sync begins, and when it ends. */
  onSync: () => void = () => {};
  #onDisk: Contents;

  /** The database is synced now. */
  constructor(private readonly path: string) {
    this.#onDisk = this.#contents();
  }

  logBytes(): number {
    return this.#contents().log.length;
  }

  async syncLog(): Promise<void> {
    const { log } = this.#contents();
    await this.#sync();
    this.#onDisk = { ...this.#onDisk, log };
    this.onSync();
  }

  async syncDatabase(): Promise<void> {
    const { database } = this.#contents();
    await this.#sync();
    this.#onDisk = { ...this.#onDisk, database };
    this.onSync();
  }

  close(): void {}

  /** @returns a data directory; each block of the files is the old or the new one, as `random` has it */
  afterPowerFailure(random: Random): string {
    const directory = temporaryDirectory('power');
    const now = this.#contents();
    writeFileSync(join(directory, DATABASE_FILE), mixed(this.#onDisk.database, now.database, random));
    writeFileSync(join(directory, `${DATABASE_FILE}-wal`), mixed(this.#onDisk.log, now.log, random));
    return directory;
  }

  #contents(): Contents {
    return { log: readFileSync(`${this.path}-wal`), database: readFileSync(this.path) };
  }

  /** Takes some turns of the event loop. */
  async #sync(): Promise<void> {
    this.onSync();
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

/**
 * Old, new, any blocks of each, or those of one up to a place and of the other from there on. The size is the old or the
 * new one: a file is truncated as a whole or not at all.
 */
function mixed(old: Buffer, now: Buffer, random: Random): Buffer {
  const share = random.next();
  const size = (random.next() < share ? now : old).length;
  const cut = random.between(0, size);
  const isNew = [
    () => false,
    () => true,
    () => random.next() < share,
    (at: number) => at < cut,
    (at: number) => at >= cut,
  ][Math.floor(random.between(0, 5))];
  const result = Buffer.alloc(size);
  for (let at = 0; at < size; at += BLOCK) {
    const from = isNew?.(at) && at < now.length ? now : old;
    from.subarray(at, at + BLOCK).copy(result, at);
  }
  return result;
}
