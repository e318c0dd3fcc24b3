import { connect, createServer, type Socket } from 'node:net';
import { onCleanup } from './cleanup.ts';
import { freePort } from './net.ts';

/** A network between a client and a server, which can be slow, silent or cut. */
export interface TcpRelay {
  readonly host: string;
  readonly port: number;
  /** Delay of every byte from the server, ms. */
  delayMs: number;
  /** Drops all bytes; connections stay open. */
  silent: boolean;
  /** Closes the connections and accepts none. */
  cut(): Promise<void>;
  /** Accepts connections again. */
  mend(): Promise<void>;
}

const HOST = '127.0.0.1';

/** Starts a relay to a server. */
export async function startRelay(target: { readonly host: string; readonly port: number }): Promise<TcpRelay> {
  const port = await freePort();
  const sockets = new Set<Socket>();
  const relay = { host: HOST, port, delayMs: 0, silent: false, cut, mend };
  const server = createServer((client) => {
    const upstream = connect(target.port, target.host);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (data) => {
      if (!relay.silent) upstream.write(data);
    });
    upstream.on('data', (data) => {
      if (relay.silent) return;
      if (relay.delayMs === 0) client.write(data);
      else setTimeout(() => client.write(data), relay.delayMs);
    });
  });

  async function cut(): Promise<void> {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  }

  function mend(): Promise<void> {
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, HOST, () => resolve());
    });
  }

  await mend();
  onCleanup(async () => {
    if (server.listening) await cut();
  });
  return relay;
}
