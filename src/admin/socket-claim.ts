import { linkSync, type Stats, statSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type FileLock, lockFile } from '../lib/file-lock.ts';
import { printable } from '../lib/text.ts';
import { isDead, ownerOf } from './probe.ts';
import { codeOf, describeUser, fileAt, isTooLong, kindOf, MAX_PATH_BYTES, ownUid } from './socket-file.ts';

const OTHERWISE = 'set SBC_SOCKET_PATH to another path';

/** The path of the admin socket cannot be used; the message, one line, is for the operator. */
export class AdminSocketError extends Error {
  override readonly name = 'AdminSocketError';

  constructor(path: string, problem: string) {
    super(printable(`admin socket ${path}${problem}`));
  }
}

/** The right to put a socket at a path, until it is released or the process ends. */
export class SocketClaim {
  /** To listen at first, so that the socket is at its path only when it accepts clients. */
  readonly temporaryPath: string;
  #published: Stats | undefined;

  /** @param replaces whether a dead process had left a socket there */
  constructor(
    private readonly path: string,
    private readonly lock: FileLock,
    readonly replaces: boolean,
  ) {
    // Not digits alone: listen() takes a path that reads as a number for a port.
    this.temporaryPath = join(dirname(path), `.s${crypto.randomUUID().slice(0, 7)}`);
  }

  /** Gives the socket at the temporary path its path. @throws EEXIST when there is a file by now */
  publish(): void {
    try {
      linkSync(this.temporaryPath, this.path);
      this.#published = fileAt(this.path);
    } finally {
      unlinkSync(this.temporaryPath);
    }
  }

  /** Removes the socket file if it is still ours, then lets others claim the path. */
  release(): void {
    try {
      const there = fileAt(this.path);
      const ours = this.#published;
      if (there && ours && there.ino === ours.ino && there.dev === ours.dev) unlinkSync(this.path);
    } finally {
      this.lock.release();
    }
  }
}

/**
 * Claims the path of an admin socket for this process. Only a socket of our own user that no process listens on is removed.
 * @throws AdminSocketError when another process has the path, or it cannot be used
 */
export async function claimSocketPath(path: string, uid = ownUid()): Promise<SocketClaim> {
  const lock = await locked(path, uid);
  try {
    const left = fileAt(path);
    if (left) {
      await refuseUnlessDead(path, left, uid);
      unlinkSync(path);
    }
    return new SocketClaim(path, lock, left !== undefined);
  } catch (error) {
    lock.release();
    throw error instanceof AdminSocketError ? error : new AdminSocketError(path, `: ${codeOf(error)}`);
  }
}

/**
 * Looks at the path of an admin socket without claiming it.
 * @returns the process that listens there, as {@link ownerOf} names it; undefined when the path can be claimed
 * @throws AdminSocketError when it cannot be used
 */
export async function listenerAt(path: string, uid = ownUid()): Promise<string | undefined> {
  refuseUnusable(path);
  try {
    const left = fileAt(path);
    if (!left) return undefined;
    refuseUnlessOurs(path, path, left, uid, left.isSocket());
    return isDead(path) ? undefined : await ownerOf(path);
  } catch (error) {
    throw error instanceof AdminSocketError ? error : new AdminSocketError(path, `: ${codeOf(error)}`);
  }
}

async function refuseUnlessDead(path: string, left: Stats, uid: number): Promise<void> {
  refuseUnlessOurs(path, path, left, uid, left.isSocket());
  if (!isDead(path)) throw await inUse(path);
}

/** The lock keeps two sidecars that start at once from taking each other's new socket for a dead one. */
async function locked(path: string, uid: number): Promise<FileLock> {
  refuseUnusable(path);
  const lockPath = `${path}.lock`;
  try {
    const left = fileAt(lockPath);
    if (left) refuseUnlessOurs(path, lockPath, left, uid, left.isFile());
    const lock = lockFile(lockPath);
    if (lock) return lock;
  } catch (error) {
    throw error instanceof AdminSocketError ? error : new AdminSocketError(path, cannotCreate(path, error));
  }
  throw await inUse(path);
}

async function inUse(path: string): Promise<AdminSocketError> {
  return new AdminSocketError(path, ` is in use by ${await ownerOf(path)}. Stop that process, or ${OTHERWISE}`);
}

function refuseUnlessOurs(path: string, file: string, left: Stats, uid: number, isExpected: boolean): void {
  if (!isExpected)
    throw new AdminSocketError(
      path,
      `: ${file} is ${kindOf(left)}, which we do not touch. Move it away, or ${OTHERWISE}`,
    );
  if (left.uid === uid) return;
  const [owner, us] = [describeUser(left.uid), describeUser(uid)];
  throw new AdminSocketError(
    path,
    `: ${file} belongs to ${owner}, and we are ${us}. If no sidecar of that user runs, rm -f ${path} ${path}.lock; or ${OTHERWISE}`,
  );
}

function refuseUnusable(path: string): void {
  if (isTooLong(path))
    throw new AdminSocketError(
      path,
      `: the path is over ${MAX_PATH_BYTES} bytes. Set SBC_SOCKET_PATH to a shorter one`,
    );
  const directory = dirname(path);
  let found: Stats | undefined;
  try {
    found = statSync(directory, { throwIfNoEntry: false });
  } catch (error) {
    throw new AdminSocketError(path, cannotCreate(path, error));
  }
  if (!found)
    throw new AdminSocketError(
      path,
      `: there is no directory ${directory}. Create it (mkdir -p ${directory}), or ${OTHERWISE}`,
    );
  if (!found.isDirectory())
    throw new AdminSocketError(
      path,
      `: ${directory} is ${kindOf(found)}, no directory. Set SBC_SOCKET_PATH to another path`,
    );
}

function cannotCreate(path: string, error: unknown): string {
  const directory = dirname(path);
  return `: ${describeUser(ownUid())} cannot create files in ${directory} (${codeOf(error)}). Let that user write there, or ${OTHERWISE}`;
}
