import { cLibrary } from '../../src/lib/c-library.ts';

/** Linux, asm-generic/socket.h. */
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;
const MAX_MESSAGE = 4096;
const SYMBOLS = {
  socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
  bind: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
  recv: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i32' },
  close: { args: ['i32'], returns: 'i32' },
} as const;

/** The end of NOTIFY_SOCKET that systemd has. Bun has no datagram sockets of the Unix domain. */
export class NotifySocket implements Disposable {
  readonly #libc = cLibrary(SYMBOLS);
  readonly #fd: number;

  /** @param path `@` stands for the NUL that begins an abstract one */
  constructor(readonly path: string) {
    const address = Buffer.from(`\x01\x00${path.replace(/^@/, '\0')}${path.startsWith('@') ? '' : '\0'}`);
    this.#fd = this.#libc?.socket(AF_UNIX, SOCK_DGRAM, 0) ?? -1;
    if (this.#libc?.bind(this.#fd, address, address.length) !== 0) throw new Error(`cannot bind ${path}`);
  }

  /** What has arrived since the last call, a text for each datagram. */
  received(): string[] {
    const messages: string[] = [];
    const buffer = new Uint8Array(MAX_MESSAGE);
    for (;;) {
      const length = this.#libc?.recv(this.#fd, buffer, buffer.length, MSG_DONTWAIT) ?? -1;
      if (length < 0) return messages;
      messages.push(new TextDecoder().decode(buffer.subarray(0, length)));
    }
  }

  [Symbol.dispose](): void {
    this.#libc?.close(this.#fd);
  }
}
