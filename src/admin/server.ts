import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { Logger } from '../lib/logger.ts';
import type { Timers } from '../lib/timers.ts';
import { ClientConnection, type Perform } from './client-connection.ts';
import { refuseClient } from './refused-client.ts';
import { AdminSocketError, claimSocketPath, type SocketClaim } from './socket-claim.ts';
import { codeOf } from './socket-file.ts';

const MAX_CLIENTS = 64;
/** Clients over the limit that have an answer to come; any more get none. */
const MAX_REFUSED = 64;

export interface AdminServer {
  /** Requests are carried out from now on; those that came before wait for it. */
  serve(perform: Perform): void;
  /** Closes all connections and removes the socket file if it is still ours. */
  stop(): Promise<void>;
}

/**
 * Listens on a Unix socket that only our own user and root can open, and replaces one that a dead process of our user left.
 * @throws AdminSocketError when another process listens there (the message has its pid), or the path cannot be used
 */
export async function claimAdminSocket(path: string, logger: Logger, timers: Timers): Promise<AdminServer> {
  const clients = new Set<ClientConnection>();
  const refused = new Set<Socket>();
  const performer = Promise.withResolvers<Perform>();
  const server = createServer((socket: Socket) => {
    if (clients.size >= MAX_CLIENTS) {
      refuseOneMore(socket, refused, timers);
      return;
    }
    const client = new ClientConnection(
      socket,
      async (request, signal, operator) => (await performer.promise)(request, signal, operator),
      timers,
      (error) => logger.error({ why: error.stack }, 'admin request failed'),
      () => clients.delete(client),
    );
    clients.add(client);
  });

  const claim = await claimSocketPath(path);
  try {
    await listen(server, claim);
  } catch (error) {
    server.close();
    claim.release();
    throw new AdminSocketError(path, `: ${codeOf(error)}`);
  }
  if (claim.replaces) logger.info({ path }, 'replaced an admin socket that a dead process left');
  server.on('error', (error) => logger.error({ path, why: error.message }, 'admin socket'));

  return {
    serve: performer.resolve,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      for (const client of clients) client.stop();
      for (const socket of refused) socket.destroy();
      await closed;
      try {
        claim.release();
      } catch (error) {
        logger.warn({ path, why: codeOf(error) }, 'the admin socket was not removed');
      }
    },
  };
}

function refuseOneMore(socket: Socket, refused: Set<Socket>, timers: Timers): void {
  if (refused.size >= MAX_REFUSED) {
    socket.destroy();
    return;
  }
  refused.add(socket);
  socket.on('close', () => refused.delete(socket));
  refuseClient(socket, `${MAX_CLIENTS} clients are connected, no more are served`, timers);
}

async function listen(server: Server, claim: SocketClaim): Promise<void> {
  // The file must be created with its mode: a chmod would come too late. listen() binds before it returns.
  const umask = process.umask(0o177);
  try {
    server.listen(claim.temporaryPath);
  } finally {
    process.umask(umask);
  }
  await once(server, 'listening');
  claim.publish();
}
