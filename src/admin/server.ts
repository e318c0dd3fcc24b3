import { once } from 'node:events';
import { lstatSync, unlinkSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import type { Logger } from '../lib/logger.ts';
import { AdminConnection, type Perform } from './connection.ts';
import { ownerOf } from './probe.ts';

/** Operators are few; a client beyond this takes the place of the one that has been there longest. */
const MAX_CLIENTS = 64;

/** The admin socket cannot be opened, and why. */
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
 * Listens on a Unix socket that nobody but our own user can open. A file that a dead process left is replaced.
 * @throws AdminSocketError when a process listens there, naming it, or the path cannot be used
 */
export async function claimAdminSocket(path: string, logger: Logger): Promise<AdminServer> {
  const clients = new Set<AdminConnection>();
  const performer = Promise.withResolvers<Perform>();
  const server = createServer((socket: Socket) => {
    const [longest] = clients;
    if (longest && clients.size >= MAX_CLIENTS) longest.destroy();
    const client = new AdminConnection(
      socket,
      async (request) => (await performer.promise)(request),
      (error) => logger.error({ why: error.stack }, 'admin request failed'),
      () => clients.delete(client),
    );
    clients.add(client);
  });

  const listen = async () => {
    // The file has its mode from the moment it is there; chmod afterwards would leave a gap. listen() binds at once.
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
