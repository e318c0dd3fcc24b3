import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Listener } from './listen.ts';
import { ListenError } from './transport.ts';

/** Listens on an address for a moment. @throws ListenError */
export async function tryListen({ proto, host, port }: Listener): Promise<void> {
  try {
    if (proto === 'udp') (await Bun.udpSocket({ hostname: host, port })).close();
    else {
      const server = createServer((socket) => socket.destroy());
      server.listen(port, host);
      await once(server, 'listening');
      server.close();
      await once(server, 'close');
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new ListenError(proto, host, port, code);
  }
}
