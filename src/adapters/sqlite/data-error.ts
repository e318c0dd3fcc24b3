import { dirname } from 'node:path';
import { shellWord } from '../../lib/shell.ts';
import { currentUser } from '../../lib/user.ts';

/** The data directory cannot be used; the message is one line with its path, our user and the remedy. */
export class DataError extends Error {
  override readonly name = 'DataError';

  constructor(
    path: string,
    why: string,
    /** The cause may pass without a change of the set-up: a full disk, another sidecar. */
    readonly isTransient = false,
    options?: ErrorOptions,
  ) {
    super(`data directory ${path}, user ${currentUser()}: ${why}`, options);
  }
}

/** Runs work on files in a data directory. @throws DataError in place of an error of the file system or of SQLite */
export function inDirectory<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw dataErrorOf(error, path) ?? error;
  }
}

function dataErrorOf(error: unknown, path: string): DataError | undefined {
  if (!(error instanceof Error) || error instanceof DataError || !('code' in error)) return undefined;
  const code = String(error.code);
  const why = FAULTS.find(([codes]) => codes.test(code));
  if (why) return new DataError(path, why[1](path), why[2] === 'transient', { cause: error });
  if (error.name === 'SQLiteError')
    return new DataError(path, `${error.message} (${code}); ${moveAway(path)}`, false, { cause: error });
  return 'syscall' in error ? new DataError(path, error.message, false, { cause: error }) : undefined;
}

type Fault = readonly [codes: RegExp, why: (path: string) => string, 'transient'?];

const FAULTS: readonly Fault[] = [
  [/^(ENOSPC|EDQUOT|EFBIG|SQLITE_FULL|SQLITE_IOERR_SHMSIZE)$/, () => 'the disk is full; free some space', 'transient'],
  [
    /^(EROFS|SQLITE_READONLY)/,
    () => 'is on a read-only file system, or has a read-only file; name another directory with --data',
  ],
  [
    /^(EACCES|EPERM|SQLITE_CANTOPEN|SQLITE_PERM)/,
    (path) =>
      `is not writable; type mkdir -p ${shellWord(path)} && ${chown(path)}, as root, or name another with --data`,
  ],
  [/^ENOENT$/, (path) => `the directory above it does not exist; type mkdir -p ${shellWord(dirname(path))}`],
  [/^ENOTDIR$/, (path) => `${dirname(path)} is not a directory; name another with --data`],
  [/^SQLITE_(CORRUPT|NOTADB)/, (path) => `its database is corrupt; ${moveAway(path)}`],
  [/^SQLITE_(BUSY|LOCKED)/, () => 'its database is used by another process; stop that one', 'transient'],
  [
    /^SQLITE_IOERR/,
    () => 'its database cannot be read or written; look for errors of the disk with dmesg',
    'transient',
  ],
];

/** The command that makes a directory ours. */
export function chown(path: string): string {
  return `chown -R ${process.getuid?.()} ${shellWord(path)}`;
}

/** What is lost is said too: bindings come back with the phones' next REGISTER. */
export function moveAway(path: string): string {
  const word = shellWord(path);
  return `to start with an empty one, which forgets its bindings, type mv ${word} ${shellWord(`${path}.old`)}`;
}
