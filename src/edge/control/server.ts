import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:net';
import type { Clock } from '../clock.ts';
import { DelayQueue } from '../delay-queue.ts';
import { AUTHENTICATION_MS, MAX_APPS } from '../limits.ts';
import { ListenError } from '../transports/transport.ts';
import { App, type AppHandlers } from './app.ts';

export interface ControlServer {
  readonly host: string;
  readonly port: number;
  /** Disconnects every app and stops listening. */
  close(): Promise<void>;
}

/** Listens for apps. @throws ListenError */
export async function listenControl(
  host: string,
  port: number,
  handlers: AppHandlers,
  clock: Clock,
): Promise<ControlServer> {
  const apps = new Set<App>();
  const authentication = new DelayQueue<App>(AUTHENTICATION_MS, clock, (app) => app.destroy('it took too long'));
  const server = createServer({ noDelay: true }, (socket) => {
    if (apps.size >= MAX_APPS) {
      socket.on('error', () => {}); // it is of no interest any more
      socket.destroy();
      return;
    }
    const left = (app: App, why: string) => {
      apps.delete(app);
      handlers.left(app, why);
    };
    apps.add(new App(socket, { ...handlers, left }, (app) => authentication.add(app), clock));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new ListenError('control', host, port, error.code ?? error.message)),
    );
    server.listen({ host, port }, resolve);
  });
  server.removeAllListeners('error');
  // Later on, a connection that could not be accepted (out of files) is the app's loss: it comes again.
  server.on('error', () => {});
  const bound = server.address();
  return {
    host,
    port: bound && typeof bound === 'object' ? bound.port : port,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      authentication.clear();
      for (const app of apps) app.finish('the edge stops');
      await closed;
    },
  };
}

/** Compares in a time that tells nothing about the secret. */
export function secretCheck(secret: string): (given: string) => boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const expected = digest(secret);
  return (given) => timingSafeEqual(digest(given), expected);
}
