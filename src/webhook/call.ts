import * as http from 'node:http';
import * as https from 'node:https';
import { unbracketed } from '../sip/ip.ts';
import { MAX_BODY, readBody } from './body.ts';

export interface WebhookCall {
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export type CallResult =
  /** `body` is undefined when it was too long or could not be decoded. */
  | { readonly kind: 'response'; readonly status: number; readonly body: string | undefined }
  | { readonly kind: 'unreachable'; readonly why: string };

/** Idle connections that are kept, per web server. */
const MAX_IDLE = 32;
/** Longer than a call may take, as it also ends a connection that is in use. */
const IDLE_MS = 60_000;

const CLOSED: CallResult = { kind: 'unreachable', why: 'connection closed' };
const TIMED_OUT: CallResult = { kind: 'unreachable', why: 'timed out' };

/**
 * The connections to the web server of one account, which are kept for its next calls. Not fetch(), which shares 256
 * connections among all hosts: a few slow customers could starve the others.
 */
export class WebhookConnections {
  readonly #http = new http.Agent({ keepAlive: true, maxFreeSockets: MAX_IDLE, timeout: IDLE_MS });
  readonly #https = new https.Agent({ keepAlive: true, maxFreeSockets: MAX_IDLE, timeout: IDLE_MS });

  /**
   * Makes one HTTP request without following redirects. Never rejects; resolves at the latest when aborted. A server may
   * close an idle connection while we write to it: a request that fails so before any byte of a response is sent once
   * more, on a new connection. That is safe, since a webhook only answers a question.
   */
  async call(call: WebhookCall, signal: AbortSignal): Promise<CallResult> {
    if (signal.aborted) return TIMED_OUT;
    const agent = call.url.protocol === 'https:' ? this.#https : this.#http;
    return (await send(call, signal, agent)) ?? (await send(call, signal, false)) ?? CLOSED;
  }
}

/**
 * @param agent false: on a new connection
 * @returns undefined when a reused connection fails before the first byte of a response
 */
function send(call: WebhookCall, signal: AbortSignal, agent: http.Agent | false): Promise<CallResult | undefined> {
  return new Promise((resolve) => {
    const request = open(call, agent);
    // Not the `signal` option of node:http, which watches for the end of each stream.
    const abort = () => {
      finish(TIMED_OUT);
      request.destroy();
    };
    const finish = (result: CallResult | undefined) => {
      signal.removeEventListener('abort', abort);
      resolve(result);
    };
    signal.addEventListener('abort', abort);
    let bytesReadBefore = 0;
    request.on('socket', (socket) => {
      bytesReadBefore = socket.bytesRead;
    });
    request.on('error', (error) => {
      const isUntouched = request.reusedSocket && request.socket?.bytesRead === bytesReadBefore;
      finish(isUntouched ? undefined : { kind: 'unreachable', why: reasonOf(error) });
    });
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const respond = (body: string | undefined) =>
        finish({ kind: 'response', status: response.statusCode ?? 0, body });
      response.on('error', (error) => finish({ kind: 'unreachable', why: reasonOf(error) }));
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= MAX_BODY) return void chunks.push(chunk);
        respond(undefined);
        request.destroy();
      });
      response.on('end', () => respond(readBody(Buffer.concat(chunks), response.headers['content-encoding'])));
    });
    request.end(call.body);
  });
}

function open({ url, method, headers, body }: WebhookCall, agent: http.Agent | false): http.ClientRequest {
  const options = {
    host: unbracketed(url.hostname),
    port: url.port,
    path: url.pathname + url.search,
    method,
    headers: body === undefined ? headers : { ...headers, 'Content-Length': Buffer.byteLength(body) },
    agent,
  };
  return url.protocol === 'https:' ? https.request(options) : http.request(options);
}

/** OpenSSL's codes for certificates that are not accepted, and Node's for one of another host. */
const CERTIFICATE_FAULT = /CERT|VERIFY|SELF_SIGNED/;

function reasonOf(error: Error): string {
  const isCertificate = 'code' in error && CERTIFICATE_FAULT.test(String(error.code));
  return isCertificate ? `certificate not accepted: ${error.message}` : error.message;
}
