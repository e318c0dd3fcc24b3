import { closeSync } from 'node:fs';
import { cLibrary, errnoOf } from '../lib/c-library.ts';
import { AdminError, BrokenAnswerError } from './errors.ts';
import { ConnectError, LineConnection } from './line-connection.ts';

const STATUS_TIMEOUT_MS = 1000;

/** Linux. */
const AF_UNIX = 1;
const SOCK_STREAM_NONBLOCK_CLOEXEC = 0o1 | 0o4000 | 0o2000000;
const ECONNREFUSED = 111;
const SYMBOLS = {
  socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
  connect: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
} as const;

/**
 * Whether the kernel says that no process listens on a socket file. By the C library, because Bun reports ECONNREFUSED for
 * other errors too, such as EAGAIN when a process that hangs has a full backlog.
 * @param path at most {@link MAX_PATH_BYTES} long
 */
export function isDead(path: string): boolean {
  const libc = cLibrary(SYMBOLS);
  const fd = libc?.socket(AF_UNIX, SOCK_STREAM_NONBLOCK_CLOEXEC, 0) ?? -1;
  if (!libc || fd < 0) return false;
  try {
    const address = socketAddress(path);
    return errnoOf(() => libc.connect(fd, address, address.length)) === ECONNREFUSED;
  } finally {
    closeSync(fd);
  }
}

/** struct sockaddr_un: the family in the byte order of the host, which is little-endian, and the path. */
function socketAddress(path: string): Uint8Array {
  return Uint8Array.of(AF_UNIX, 0, ...new TextEncoder().encode(path));
}

/**
 * Finds the process that listens on a socket file. Reads only the pid of its answer: it may be of another version.
 * @returns `pid 1234`; `another process` when it does not answer with a pid, or cannot be asked
 */
export async function ownerOf(path: string): Promise<string> {
  let connection: LineConnection | undefined;
  try {
    connection = await LineConnection.open(path);
    const pid = /"pid":(\d{1,10})\b/.exec(await connection.exchange('{"action":"status"}', STATUS_TIMEOUT_MS))?.[1];
    return pid === undefined ? 'another process' : `pid ${pid}`;
  } catch (error) {
    if (!(error instanceof AdminError || error instanceof ConnectError)) throw error;
    return 'another process';
  } finally {
    connection?.close(new BrokenAnswerError('asked enough'));
  }
}
