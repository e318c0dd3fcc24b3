import { dlopen, type FFIFunction, type Library, read } from 'bun:ffi';

/** glibc, then musl. */
const LIBRARIES = ['libc.so.6', `libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`];

/**
 * Functions of the C library (Linux), for what Bun has no API.
 * @returns undefined where the C library cannot be called
 */
export function cLibrary<Symbols extends Record<string, FFIFunction>>(
  symbols: Symbols,
): Library<Symbols>['symbols'] | undefined {
  if (process.platform !== 'linux') return undefined;
  for (const name of LIBRARIES) {
    try {
      return dlopen(name, symbols).symbols;
    } catch {
      // The other C library, or no FFI in this build.
    }
  }
  return undefined;
}

const ERRNO = { __errno_location: { args: [], returns: 'ptr' } } as const;
let errnoLibrary: ReturnType<typeof cLibrary<typeof ERRNO>>;

/** Makes a system call that returns -1 on failure. @returns 0, or errno; -1 when errno cannot be read */
export function errnoOf(call: () => number): number {
  errnoLibrary ??= cLibrary(ERRNO);
  // Asked before the call: anything after it could change errno.
  const location = errnoLibrary?.__errno_location();
  if (call() !== -1) return 0;
  return typeof location === 'number' ? read.i32(location) : -1;
}
