import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { onCleanup } from '../../support/cleanup.ts';
import { Inbox } from '../../support/inbox.ts';

const HOST = '127.0.0.1';

export interface StatsdServer {
  readonly port: number;
  /** Lines by TCP, datagrams by UDP. */
  readonly received: Inbox<string>;
  close(): void;
}

/** A statsd server on TCP, such as telegraf's. @param port 0 for a free one */
export async function tcpServer(port = 0): Promise<StatsdServer> {
  const received = new Inbox<string>();
  const { server, sockets } = await listen(port, (socket) => {
    let rest = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) received.put(line);
    });
  });
  return {
    port: portOf(server),
    received,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** A TCP server that does as told with each connection. */
export async function listen(port: number, connected: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    connected(socket);
  });
  server.listen(port, HOST);
  await once(server, 'listening');
  onCleanup(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { server, sockets };
}

export async function udpServer(port = 0): Promise<StatsdServer> {
  const received = new Inbox<string>();
  const socket = createSocket('udp4');
  socket.on('message', (datagram) => received.put(datagram.toString()));
  socket.bind(port, HOST);
  await once(socket, 'listening');
  let open = true;
  const close = () => {
    if (open) socket.close();
    open = false;
  };
  onCleanup(close);
  return { port: socket.address().port, received, close };
}

export function portOf(server: Server): number {
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('not listening');
  return address.port;
}
