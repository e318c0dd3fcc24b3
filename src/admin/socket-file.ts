import { lstatSync, type Stats } from 'node:fs';
import { userName } from '../lib/user.ts';

/** sockaddr_un has room for 107 bytes and a NUL. */
export const MAX_PATH_BYTES = 107;

export function isTooLong(path: string): boolean {
  return new TextEncoder().encode(path).length > MAX_PATH_BYTES;
}

/** What is at a path; a symlink is not followed. @throws the file system's error unless there is nothing */
export function fileAt(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/** `a directory`, for messages. */
export function kindOf(file: Stats): string {
  if (file.isSocket()) return 'a socket';
  if (file.isFile()) return 'a regular file';
  if (file.isDirectory()) return 'a directory';
  return file.isSymbolicLink() ? 'a symbolic link' : 'a special file';
}

export function ownUid(): number {
  return process.geteuid?.() ?? -1;
}

/** `nobody (uid 65534)`, for messages; `uid 4711` for a user without a name. */
export function describeUser(uid: number): string {
  const name = userName(uid);
  return name ? `${name} (uid ${uid})` : `uid ${uid}`;
}

/** The code of a system error, such as `EACCES`. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
