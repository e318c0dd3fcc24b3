import type { Timers } from '../lib/timers.ts';
import { readBody } from './body.ts';
import { CLOSED, Connection, type Failure, type Response, TIMED_OUT } from './connection.ts';
import { composeRequest, type WebhookCall } from './request.ts';

export type CallResult =
  /** `body` is undefined when it was too long or could not be decoded. */
  { readonly kind: 'response'; readonly status: number; readonly body: string | undefined } | Failure;

/** Idle connections that are kept. */
const MAX_IDLE = 32;

/**
 * The connections to the web server of one account, which are kept for its next calls. Not fetch(), which shares 256
 * connections among all hosts: a few slow customers could starve the others. Not node:http, which costs two to three times as
 * much CPU (bench/README.md).
 */
export class WebhookConnections {
  /** The one that was used last comes last. */
  readonly #idle: Connection[] = [];

  constructor(private readonly timers: Timers) {}

  /**
   * Makes one HTTP request without following redirects. Never rejects; resolves at the latest when aborted. A server may
   * close an idle connection while we write to it: a request that fails so before any byte of a response is sent once
   * more, on a new connection. That is safe, since a webhook only answers a question.
   */
  async call(call: WebhookCall, signal: AbortSignal): Promise<CallResult> {
    if (signal.aborted) return TIMED_OUT;
    const { url } = call;
    const request = composeRequest(call);
    const kept = this.#take(url.origin);
    const result =
      (kept && (await this.#exchange(kept, request, signal))) ??
      (await this.#exchange(this.#open(url), request, signal)) ??
      CLOSED;
    if (result.kind === 'unreachable') return result;
    const { status, body, encoding } = result;
    return { kind: 'response', status, body: body && readBody(body, encoding) };
  }

  async #exchange(
    connection: Connection,
    request: string,
    signal: AbortSignal,
  ): Promise<Response | Failure | undefined> {
    const result = await connection.exchange(request, signal);
    if (connection.isFree) this.#keep(connection);
    return result;
  }

  #open(url: URL): Connection {
    return new Connection(url, this.timers, (closed) => {
      const at = this.#idle.indexOf(closed);
      if (at >= 0) this.#idle.splice(at, 1);
    });
  }

  #keep(connection: Connection): void {
    this.#idle.push(connection);
    if (this.#idle.length > MAX_IDLE) this.#idle.shift()?.close();
  }

  #take(origin: string): Connection | undefined {
    const at = this.#idle.findLastIndex((connection) => connection.origin === origin);
    return at < 0 ? undefined : this.#idle.splice(at, 1)[0];
  }
}
