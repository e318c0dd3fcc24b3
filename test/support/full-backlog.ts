import { dlopen } from 'bun:ffi';
import { connect } from 'node:net';

const AF_INET = 2;
const SOCK_STREAM = 1;
const SYMBOLS = {
  socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
  bind: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
  listen: { args: ['i32', 'i32'], returns: 'i32' },
  close: { args: ['i32'], returns: 'i32' },
} as const;

/** A TCP port of 127.0.0.1 that drops SYNs, as a firewall does: it listens, accepts nothing, and its queue is full. */
export async function dropConnections(port: number): Promise<Disposable> {
  const libc = dlopen('libc.so.6', SYMBOLS).symbols;
  const fd = libc.socket(AF_INET, SOCK_STREAM, 0);
  const address = Buffer.from([AF_INET, 0, port >> 8, port & 255, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  if (libc.bind(fd, address, address.length) !== 0 || libc.listen(fd, 0) !== 0)
    throw new Error(`cannot listen on port ${port}`);
  const filler = connect({ host: '127.0.0.1', port });
  await new Promise((resolve, reject) => filler.once('connect', resolve).once('error', reject));
  return {
    [Symbol.dispose]() {
      filler.destroy();
      libc.close(fd);
    },
  };
}
