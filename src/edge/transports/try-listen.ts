import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Listener } from './listen.ts';
import { ListenError } from './transport.ts';
import { bindTo } from './udp.ts';

/** Listens on an address for a moment. @param shared see {@link ListenOptions.sharePorts} @throws ListenError */
export async function tryListen({ proto, host, port }: Listener, shared = false): Promise<void> {
  try {
    if (proto === 'udp') (await Bun.udpSocket(bindTo(host, port, shared))).close();
    else {
      const server = createServer((socket) => socket.destroy());
      server.listen({ host, port, reusePort: shared });
      await once(server, 'listening');
      server.close();
      await once(server, 'close');
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new ListenError(proto, host, port, code);
  }
}
