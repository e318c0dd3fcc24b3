import { hostname } from 'node:os';
import type { Server } from 'bun';
import { type Logger, traceOf } from '../lib/logger.ts';
import { HttpListenError } from './listen-error.ts';
import { failure, secured } from './response.ts';
import { dispatch, type Route } from './route.ts';

/** Larger request bodies are answered 413. */
const MAX_BODY_BYTES = 65_536;
/** Silence after which a connection is closed, seconds. */
const IDLE_SECONDS = 10;
/** Requests whose handler has not answered yet; further ones are answered 503. */
const MAX_IN_PROGRESS = 100;

export interface HttpAddress {
  /** An address or a name of this machine. */
  readonly host: string;
  /** 0: a free port. */
  readonly port: number;
}

/** The HTTP server for probes, metrics and the status page. */
export class OpsServer {
  readonly #server: Server<undefined>;
  readonly #names: ReadonlySet<string>;
  #inProgress = 0;

  /** Listens at once. @throws HttpListenError */
  constructor(
    { host, port }: HttpAddress,
    private routes: readonly Route[],
    private readonly logger: Logger,
  ) {
    this.#names = new Set(['localhost', host.toLowerCase(), hostname().toLowerCase()]);
    this.#server = listen(host, port, (request, server) => this.#answer(request, server));
  }

  get port(): number {
    return this.#server.port ?? 0;
  }

  /** Serves these resources from now on, in place of the others. */
  serve(routes: readonly Route[]): void {
    this.routes = routes;
  }

  /** Closes all connections. */
  async stop(): Promise<void> {
    await this.#server.stop(true);
  }

  /** Never rejects. */
  async #answer(request: Request, server: Server<undefined>): Promise<Response> {
    if (this.#inProgress >= MAX_IN_PROGRESS) return secured(failure(503, 'too many requests', { 'Retry-After': '1' }));
    this.#inProgress++;
    try {
      const peer = {
        address: server.requestIP(request)?.address ?? '',
        idleTimeout: (seconds: number) => server.timeout(request, seconds),
      };
      return secured(await dispatch(this.routes, this.#names, request, peer));
    } catch (error) {
      this.logger.error({ why: traceOf(error), method: request.method }, 'HTTP request failed');
      return secured(failure(500, 'internal error'));
    } finally {
      this.#inProgress--;
    }
  }
}

/** Listens for a moment. @throws HttpListenError */
export async function tryHttp({ host, port }: HttpAddress): Promise<void> {
  await listen(host, port, () => new Response()).stop(true);
}

function listen(host: string, port: number, fetch: Answer): Server<undefined> {
  try {
    return Bun.serve({
      hostname: host,
      port,
      // Otherwise errors are answered with our source.
      development: false,
      // On with the line above unless it is switched off: a second sidecar would share the port.
      reusePort: false,
      maxRequestBodySize: MAX_BODY_BYTES,
      idleTimeout: IDLE_SECONDS,
      fetch,
    });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new HttpListenError(host, port, code);
  }
}

type Answer = (request: Request, server: Server<undefined>) => Response | Promise<Response>;
