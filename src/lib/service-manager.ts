import { cLibrary, errnoOf } from './c-library.ts';
import type { Logger } from './logger.ts';
import type { Timer, Timers } from './timers.ts';

/** Linux, asm-generic/socket.h. */
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SYMBOLS = {
  socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
  sendto: { args: ['i32', 'ptr', 'u64', 'i32', 'ptr', 'u32'], returns: 'i32' },
  close: { args: ['i32'], returns: 'i32' },
} as const;

let library: ReturnType<typeof cLibrary<typeof SYMBOLS>>;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reports our state to the service manager, which is systemd (sd_notify(3)). It asks for this in NOTIFY_SOCKET; without that
 * nothing is sent. Bun has no datagram sockets of the Unix domain, so the C library sends. A message that cannot be sent is a
 * warning in the log.
 */
export class ServiceManager {
  readonly #path: string | undefined;
  readonly #watchdogMs: number;
  #watchdog: Timer | undefined;

  /** @param env what systemd has set: NOTIFY_SOCKET and, with a watchdog, WATCHDOG_USEC */
  constructor(
    env: Environment,
    private readonly timers: Timers,
    private readonly logger: Logger,
  ) {
    this.#path = env.NOTIFY_SOCKET || undefined;
    this.#watchdogMs = Number(env.WATCHDOG_USEC ?? 0) / 1000;
  }

  /** The service is up: units that wait for it may start. From now on the event loop feeds the watchdog. */
  ready(): void {
    this.#send('READY=1');
    if (this.#watchdogMs > 0) this.#feedWatchdog();
  }

  /** A line for `systemctl status`. */
  status(text: string): void {
    this.#send(`STATUS=${text.replaceAll('\n', ' ')}`);
  }

  /** @param atMostMs how long the stop may take, where the unit's TimeoutStopSec is shorter */
  stopping(atMostMs: number): void {
    this.#watchdog?.cancel();
    this.#send(`STOPPING=1\nEXTEND_TIMEOUT_USEC=${atMostMs * 1000}`);
  }

  /** Twice in the interval, as sd_watchdog_enabled(3) recommends. */
  #feedWatchdog(): void {
    this.#send('WATCHDOG=1');
    this.#watchdog = this.timers.after(this.#watchdogMs / 2, () => this.#feedWatchdog());
  }

  #send(message: string): void {
    if (this.#path === undefined) return;
    const errno = sendDatagram(this.#path, message);
    if (errno !== 0) this.logger.warn({ errno, message }, 'systemd was not notified');
  }
}

/**
 * Never waits.
 * @param path of the receiver; `@` stands for the NUL that begins an abstract one
 * @returns 0, or errno; -1 where the C library cannot be called
 */
function sendDatagram(path: string, message: string): number {
  library ??= cLibrary(SYMBOLS);
  const libc = library;
  if (!libc) return -1;
  const address = socketAddress(path);
  const bytes = new TextEncoder().encode(message);
  let fd = -1;
  const errno = errnoOf(() => {
    fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd;
  });
  if (errno !== 0) return errno;
  try {
    return errnoOf(() => libc.sendto(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL, address, address.length));
  } finally {
    libc.close(fd);
  }
}

/** struct sockaddr_un: the family in the machine's byte order, then the path; an abstract one begins with a NUL (unix(7)). */
function socketAddress(path: string): Uint8Array {
  const name = new TextEncoder().encode(path);
  const isAbstract = path.startsWith('@');
  const address = new Uint8Array(2 + name.length + (isAbstract ? 0 : 1));
  address.set(new Uint8Array(new Uint16Array([AF_UNIX]).buffer));
  address.set(name, 2);
  if (isAbstract) address[2] = 0;
  return address;
}
