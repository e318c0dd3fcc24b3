import { onCleanup } from './cleanup.ts';

export interface RecordedRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
}

type Answer = (request: RecordedRequest) => Response | Promise<Response>;

/** A web server in the place of InfluxDB: it records each request, and answers 204 unless told otherwise. */
export class InfluxDouble {
  readonly requests: RecordedRequest[] = [];
  answer: Answer = noContent;
  /** Called when a client ends a request before it is answered. */
  abandoned: () => void = () => {};
  readonly #server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (request) => {
      const { pathname, search } = new URL(request.url);
      const recorded = {
        method: request.method,
        path: `${pathname}${search}`,
        headers: request.headers,
        body: await request.text(),
      };
      this.requests.push(recorded);
      request.signal.addEventListener('abort', () => this.abandoned());
      return this.answer(recorded);
    },
  });

  static start(): InfluxDouble {
    const double = new InfluxDouble();
    onCleanup(() => double.stop());
    return double;
  }

  get host(): string {
    return '127.0.0.1';
  }

  get port(): number {
    return this.#server.port ?? 0;
  }

  /** `METHOD path` of each request. */
  get seen(): readonly string[] {
    return this.requests.map(({ method, path }) => `${method} ${path}`);
  }

  /** The lines of all writes, in order of arrival. */
  get lines(): readonly string[] {
    return this.requests.filter(({ path }) => path.includes('/write')).flatMap(({ body }) => body.split('\n'));
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
  }
}

export function noContent(): Response {
  return new Response(null, { status: 204 });
}

/** An error as InfluxDB writes it: 1.x under the name `error`, 2 under `message`. */
export function failure(status: number, error: Readonly<Record<string, string>>): Answer {
  return () => Response.json(error, { status });
}
