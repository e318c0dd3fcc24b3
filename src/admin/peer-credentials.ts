import type { Socket } from 'node:net';
import { cLibrary } from '../lib/c-library.ts';

/** Linux, asm-generic/socket.h. */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SYMBOLS = { getsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'ptr'], returns: 'i32' } } as const;

let library: ReturnType<typeof cLibrary<typeof SYMBOLS>>;

/** The process at the other end of a Unix socket, as it was when it connected. */
export interface PeerCredentials {
  readonly uid: number;
  /** Absent when the process is in a pid namespace that we do not see. */
  readonly pid?: number;
}

/** What the kernel says of the peer, which cannot forge it (unix(7)). @returns undefined where it cannot be asked */
export function peerCredentials(socket: Socket): PeerCredentials | undefined {
  const fd = descriptorOf(socket);
  library ??= cLibrary(SYMBOLS);
  if (fd === undefined || !library) return undefined;
  // struct ucred: pid, uid, gid.
  const credentials = new Uint32Array(3);
  const length = new Uint32Array([credentials.byteLength]);
  if (library.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, length) !== 0) return undefined;
  const [pid = 0, uid = 0] = credentials;
  return pid === 0 ? { uid } : { uid, pid };
}

/** Bun keeps the descriptor in the handle, as Node does; neither has a public name for it. */
function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
