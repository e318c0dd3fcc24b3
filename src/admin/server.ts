import { once } from 'node:events';
import { lstatSync, unlinkSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import type { Logger } from '../lib/logger.ts';
import { ClientConnection, type Perform } from './client-connection.ts';
import { ownerOf } from './probe.ts';

/** At the limit, a new client replaces the oldest. */
const MAX_CLIENTS = 64;

export class AdminSocketError extends Error {
  override readonly name = 'AdminSocketError';
}

export interface AdminServer {
  /** Requests are carried out from now on; those that came before wait for it. */
  serve(perform: Perform): void;
  /** Closes all connections and removes the socket file. */
  stop(): Promise<void>;
}

/**
 * Listens on a Unix socket that only our own user can open, and replaces a socket that no process listens on.
 * @throws AdminSocketError when another process listens there (the message has its pid), or the path cannot be used
 */
export async function claimAdminSocket(path: string, logger: Logger): Promise<AdminServer> {
  const clients = new Set<ClientConnection>();
  const performer = Promise.withResolvers<Perform>();
  const server = createServer((socket: Socket) => {
    const [oldest] = clients;
    if (oldest && clients.size >= MAX_CLIENTS) oldest.destroy();
    const client = new ClientConnection(
      socket,
      async (request) => (await performer.promise)(request),
      (error) => logger.error({ why: error.stack }, 'admin request failed'),
      () => clients.delete(client),
    );
    clients.add(client);
  });

  const listen = async () => {
    // The file must be created with its mode: a chmod would come too late. listen() binds before it returns.
    const umask = process.umask(0o177);
    try {
      server.listen(path);
    } finally {
      process.umask(umask);
    }
    await once(server, 'listening');
  };
  try {
    await listen();
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE') throw new AdminSocketError(`admin socket ${path}: ${messageOf(error)}`);
    const owner = await ownerOf(path);
    if (owner !== undefined) throw new AdminSocketError(`admin socket ${path} is in use by ${owner}`);
    await replaceStale(path, listen);
    logger.info({ path }, 'replaced an admin socket that a dead process left');
  }
  server.on('error', (error) => logger.error({ path, why: error.message }, 'admin socket'));

  return {
    serve: performer.resolve,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      for (const client of clients) client.destroy();
      await closed;
    },
  };
}

async function replaceStale(path: string, listen: () => Promise<void>): Promise<void> {
  try {
    if (!lstatSync(path).isSocket()) throw new Error('there is a file of another kind');
    unlinkSync(path);
    await listen();
  } catch (error) {
    throw new AdminSocketError(`admin socket ${path}: ${messageOf(error)}`);
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
