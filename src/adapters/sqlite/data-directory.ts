import { Database } from 'bun:sqlite';
import {
  accessSync,
  chmodSync,
  constants,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  type Stats,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { shellWord } from '../../lib/shell.ts';
import { chown, DataError, inDirectory } from './data-error.ts';
import { DATABASE_FILE } from './open.ts';

const LOCK_FILE = 'sidecar.lock';
const FILES = [DATABASE_FILE, `${DATABASE_FILE}-wal`, `${DATABASE_FILE}-shm`, `${DATABASE_FILE}-journal`, LOCK_FILE];

/** Longest wait for a reader of the lock, which is {@link holderOf} in another process, ms. */
const LOCK_WAIT_MS = 1000;
/** Write permission of the group, and any of others. */
const OPEN_TO_OTHERS = 0o027;
const OWNER = 0o700;

/** The data directory, which one process holds at a time. */
export interface DataDirectory {
  /** Absolute. */
  readonly path: string;
  /** Lets another process have it. */
  release(): void;
}

/**
 * Creates the directory with mode 0700 when it is missing, and locks it. The lock is an open transaction in a database
 * of its own: the kernel ends it with the process, even by SIGKILL.
 * @throws DataError
 */
export function claimDataDirectory(directory: string): DataDirectory {
  const path = resolve(directory);
  inDirectory(path, () => {
    if (!statOf(path)) mkdirSync(path, { mode: 0o700 });
  });
  inspectDataDirectory(path);
  const lock = inDirectory(path, () => new Database(join(path, LOCK_FILE), { create: true, strict: true }));
  try {
    inDirectory(path, () => {
      lock.run(`PRAGMA busy_timeout = ${LOCK_WAIT_MS}`);
      // A journal file would stay behind after SIGKILL.
      lock.run('PRAGMA journal_mode = MEMORY');
      lock.run('BEGIN EXCLUSIVE');
      chmodSync(join(path, LOCK_FILE), 0o600);
    });
  } catch (error) {
    lock.close();
    if (!(error instanceof DataError && isBusy(error.cause))) throw error;
    throw new DataError(
      path,
      `is used by another sidecar (${holderName(path)}); stop that one, or name another with --data`,
      true,
    );
  }
  return { path, release: () => lock.close() };
}

/**
 * Checks a data directory and the files in it without changing anything.
 * @returns whether it exists
 * @throws DataError
 */
export function inspectDataDirectory(directory: string): boolean {
  const path = resolve(directory);
  return inDirectory(path, () => {
    const found = statOf(path);
    if (!found) {
      accessSync(resolve(path, '..'), constants.W_OK | constants.X_OK);
      return false;
    }
    if (found.isSymbolicLink())
      throw new DataError(
        path,
        `is a symbolic link; name what it points to: --data ${shellWord(resolve(path, '..', readlinkSync(path)))}`,
      );
    if (!found.isDirectory()) throw new DataError(path, 'is not a directory; name another with --data');
    mustBeOurs(path, found, path);
    const mode = `(mode 0${(found.mode & 0o777).toString(8)}); type chmod 0700 ${shellWord(path)}`;
    if (found.mode & OPEN_TO_OTHERS) throw new DataError(path, `is open to others ${mode}`);
    if ((found.mode & OWNER) !== OWNER) throw new DataError(path, `is closed to its owner ${mode}`);
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    for (const name of FILES) inspectFile(path, join(path, name));
    return true;
  });
}

function inspectFile(directory: string, path: string): void {
  const found = statOf(path);
  if (!found) return;
  if (!found.isFile())
    throw new DataError(
      directory,
      `${path} is not a regular file; type mv ${shellWord(path)} ${shellWord(`${path}.old`)}`,
    );
  mustBeOurs(path, found, directory);
  accessSync(path, constants.R_OK | constants.W_OK);
}

/** Root is no exception: files that it made could not be used by the owner afterwards. */
function mustBeOurs(path: string, { uid }: Stats, directory: string): void {
  if (uid === process.getuid?.()) return;
  const what = path === directory ? 'belongs' : `${path} belongs`;
  throw new DataError(directory, `${what} to another user (uid ${uid}); run as that user, or type ${chown(directory)}`);
}

/**
 * The process that has claimed the directory: `pid 1234`, or `another process`; undefined when there is none. Takes no
 * lock that {@link claimDataDirectory} would not wait for.
 */
export function holderOf(directory: string): string | undefined {
  const path = resolve(directory);
  if (!statOf(join(path, LOCK_FILE))) return undefined;
  const lock = new Database(join(path, LOCK_FILE), { readonly: true, strict: true });
  try {
    lock.query('SELECT count(*) FROM sqlite_schema').get();
    return undefined;
  } catch (error) {
    if (!isBusy(error)) throw error;
    return holderName(path);
  } finally {
    lock.close();
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'SQLITE_BUSY';
}

/** proc(5) lists the locks of our own PID namespace: `1: POSIX  ADVISORY  WRITE 1234 08:01:5678 1073741824 1073742335`. */
function holderName(path: string): string {
  const inode = statOf(join(path, LOCK_FILE))?.ino;
  const pid = new RegExp(`POSIX +ADVISORY +WRITE +([1-9]\\d*) \\S+:${inode} `).exec(kernelLocks())?.[1];
  return pid === undefined ? 'another process' : `pid ${pid}`;
}

function kernelLocks(): string {
  try {
    return readFileSync('/proc/locks', 'utf8');
  } catch {
    return ''; // not on Linux, or /proc is hidden: the pid stays unknown
  }
}

/** Of the path itself: a symbolic link is not followed. */
function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}
