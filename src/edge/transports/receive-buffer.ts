import { cLibrary } from '../../lib/c-library.ts';

/** Linux, asm-generic/socket.h. */
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SYMBOLS = {
  setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'u32'], returns: 'i32' },
  getsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'ptr'], returns: 'i32' },
} as const;

/**
 * Asks the kernel for a receive buffer, which Bun cannot. The kernel silently grants no more than `net.core.rmem_max`.
 * @param fd of the socket
 * @returns the bytes granted, or undefined where the C library cannot be called
 */
export function askForReceiveBuffer(fd: number, bytes: number): number | undefined {
  const libc = cLibrary(SYMBOLS);
  if (!libc) return undefined;
  const value = new Int32Array([bytes]);
  const length = new Uint32Array([value.byteLength]);
  const failed =
    libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, value, value.byteLength) !== 0 ||
    libc.getsockopt(fd, SOL_SOCKET, SO_RCVBUF, value, length) !== 0;
  // socket(7): the kernel doubles the value, for its own bookkeeping, and returns the double.
  return failed ? undefined : (value[0] ?? 0) / 2;
}
