import { dirname, resolve } from 'node:path';
import { type AdminError, BrokenAnswerError, DeniedError, NoSidecarError, TimedOutError } from './errors.ts';
import { codeOf, describeUser, fileAt, isTooLong, kindOf, MAX_PATH_BYTES, ownUid } from './socket-file.ts';

const ROOT = 0;

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of the path is no directory',
  ECONNREFUSED: 'nothing listens there',
};

/** Write permission of the group and of others. */
const WRITABLE_BY_OTHERS = 0o022;

/**
 * The owner of a socket, who is root or our own user. Root trusts another user too when only root can have let that user put a
 * socket there: the directory is the user's, as /run/sbc-sip-sidecar is, and those above it are root's.
 * @throws NoSidecarError when there is no socket
 * @throws DeniedError when it belongs to another user, or we may not look
 */
export function trustedOwner(path: string, uid = ownUid()): number {
  if (isTooLong(path)) throw noSidecar(path, `the path is over ${MAX_PATH_BYTES} bytes`);
  let file: ReturnType<typeof fileAt>;
  try {
    file = fileAt(path);
  } catch (error) {
    throw whyNot(path, codeOf(error), undefined, uid);
  }
  if (!file) throw noSidecar(path, 'there is no such file');
  if (!file.isSocket()) throw noSidecar(path, `there is ${kindOf(file)}, not a socket`);
  if (file.uid === ROOT || file.uid === uid) return file.uid;
  if (uid === ROOT && isMadeByRoot(dirname(resolve(path)), file.uid)) return file.uid;
  const owner = describeUser(file.uid);
  throw new DeniedError(`${path} belongs to ${owner}, and you are ${describeUser(uid)}. ${become(owner)}`);
}

/** Whether a directory belongs to `uid`, and every directory above it to root. */
function isMadeByRoot(directory: string, uid: number): boolean {
  if (!isOnlyOf(uid, directory)) return false;
  const above = dirname(directory);
  return above === directory || isMadeByRoot(above, ROOT);
}

/** Whether a path is a directory, no symbolic link, of `uid`, in which no other user can put anything. */
function isOnlyOf(uid: number, path: string): boolean {
  const file = fileAt(path);
  return file?.isDirectory() === true && file.uid === uid && (file.mode & WRITABLE_BY_OTHERS) === 0;
}

/** What it means that a socket did not accept us. @param owner undefined when it may not even be looked at */
export function whyNot(path: string, code: string, owner: number | undefined, uid = ownUid()): AdminError {
  if (code === 'ETIMEDOUT') return new TimedOutError('timed out: the sidecar did not accept the connection');
  if (code === 'ECONNRESET') return new BrokenAnswerError('the sidecar closed the connection at once');
  if (code !== 'EACCES' && code !== 'EPERM') return noSidecar(path, WHY[code] ?? code);
  const denied = `permission denied: ${describeUser(uid)} may not open ${path}`;
  return new DeniedError(
    owner === undefined ? `${denied}. ${become("the sidecar's user")}` : `${denied}. ${become(describeUser(owner))}`,
  );
}

function become(user: string): string {
  return `Run this command as ${user}`;
}

function noSidecar(path: string, why: string): NoSidecarError {
  return new NoSidecarError(`no sidecar at ${path}: ${why}`);
}
