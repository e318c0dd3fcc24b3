import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { FeatureServerRow } from '../../src/admin/protocol.ts';
import { onCleanup, temporaryDirectory } from './cleanup.ts';

/** What the peer does with a request: the answer, lines as they are, or nothing at all. */
export type Reply = (request: Record<string, unknown>) => object | string | undefined;

/** The other end of an admin socket, which speaks the protocol and answers as the test wants. */
export class AdminPeer {
  readonly path = join(temporaryDirectory('admin'), 'admin.sock');
  /** Every request so far. */
  readonly asked: Record<string, unknown>[] = [];
  /** Changes from test to test, or from request to request. */
  reply: Reply;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #heard = Promise.withResolvers<void>();

  constructor(reply: Reply = () => undefined) {
    this.reply = reply;
    onCleanup(() => this.stop());
  }

  /** A peer that listens. */
  static async start(reply?: Reply): Promise<AdminPeer> {
    const peer = new AdminPeer(reply);
    await peer.start();
    return peer;
  }

  async start(): Promise<void> {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      // A client that went away is no concern of the peer.
      const ignore = () => {};
      socket.on('error', ignore);
      const lines = createInterface({ input: socket });
      lines.on('line', (line) => this.#answer(socket, line)).on('error', ignore);
    });
    this.#server.listen(this.path);
    await once(this.#server, 'listening');
  }

  #answer(socket: Socket, line: string): void {
    const request: Record<string, unknown> = JSON.parse(line);
    const reply = this.reply(request);
    if (typeof reply === 'string') socket.end(reply);
    else if (reply) socket.write(`${JSON.stringify(reply)}\n`);
    this.asked.push(request);
    this.#heard.resolve();
    this.#heard = Promise.withResolvers();
  }

  /** Resolves when there were so many requests. */
  async requests(count: number): Promise<void> {
    while (this.asked.length < count) await this.#heard.promise;
  }

  /** Goes away as a sidecar does that was stopped. */
  stop(): void {
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** A list of feature servers as the sidecar answers it, 12 s after those checked in that do not say otherwise. */
export function serverList(...servers: readonly Partial<FeatureServerRow>[]) {
  const rows = servers.map(
    (row): FeatureServerRow => ({
      server: '10.0.0.1:5060',
      status: 'active',
      calls: 0,
      lastCheckIn: 1_000_000,
      serviceUrl: null,
      ...row,
    }),
  );
  const drained = rows.filter(({ status }) => status !== 'active').map(({ server }) => server.split(':')[0]);
  return { success: true, servers: rows, drained, now: 1_012_000 };
}
