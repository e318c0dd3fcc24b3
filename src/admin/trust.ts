import { type AdminError, BrokenAnswerError, DeniedError, NoSidecarError, TimedOutError } from './errors.ts';
import { codeOf, describeUser, fileAt, isTooLong, kindOf, MAX_PATH_BYTES, ownUid } from './socket-file.ts';

const ROOT = 0;

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of the path is no directory',
  ECONNREFUSED: 'nothing listens there',
};

/**
 * The owner of a socket, who is root or our own user.
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
  const owner = describeUser(file.uid);
  throw new DeniedError(`${path} belongs to ${owner}, and you are ${describeUser(uid)}. ${become(owner)}`);
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
