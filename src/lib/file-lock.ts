import { closeSync, constants, fstatSync, lstatSync, openSync, unlinkSync } from 'node:fs';
import { cLibrary } from './c-library.ts';

/** Linux, asm-generic/fcntl.h. */
const LOCK_EX_NB = 2 | 4;
const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Each retry means that another process released the lock just then. */
const MAX_TRIES = 100;

export interface FileLock {
  /** Removes the file, if it is still there, and ends the lock. */
  release(): void;
}

/**
 * Locks a file, which it creates with mode 0600. The kernel ends the lock of a dead process. Where the C library cannot be
 * called, as on other systems than Linux, the file is only created.
 * @returns undefined when another process, or this one, has locked it
 * @throws the file system's error when the file cannot be opened; a symlink is not followed
 */
export function lockFile(path: string): FileLock | undefined {
  const libc = cLibrary({ flock: { args: ['i32', 'i32'], returns: 'i32' } });
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const fd = openSync(path, FLAGS, 0o600);
    const locked = !libc || libc.flock(fd, LOCK_EX_NB) === 0;
    if (locked && isAt(path, fd)) return { release: () => release(path, fd) };
    closeSync(fd);
    if (!locked) return undefined;
  }
  return undefined;
}

function release(path: string, fd: number): void {
  try {
    if (isAt(path, fd)) unlinkSync(path);
  } finally {
    closeSync(fd);
  }
}

/** False when the file was removed, or replaced, after it was opened. */
function isAt(path: string, fd: number): boolean {
  const opened = fstatSync(fd);
  const there = lstatSync(path, { throwIfNoEntry: false });
  return there !== undefined && there.ino === opened.ino && there.dev === opened.dev;
}
