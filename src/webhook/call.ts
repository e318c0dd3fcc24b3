import * as http from 'node:http';
import * as https from 'node:https';

export interface WebhookCall {
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export type CallResult =
  /** `body` is undefined when it was too long. */
  | { readonly kind: 'response'; readonly status: number; readonly body: string | undefined }
  | { readonly kind: 'unreachable'; readonly why: string };

/** Bytes; a reply holds a few fields about one user. */
const MAX_BODY = 64 * 1024;
const MAX_FREE_SOCKETS = 32;

// Not fetch(), which shares 256 connections among all hosts: a few slow customers could starve the others.
const agents = {
  'http:': new http.Agent({ keepAlive: true, maxFreeSockets: MAX_FREE_SOCKETS }),
  'https:': new https.Agent({ keepAlive: true, maxFreeSockets: MAX_FREE_SOCKETS }),
};

/**
 * Makes one HTTP request without following redirects. Never rejects; resolves at the latest when aborted. A server may
 * close an idle connection while we write to it: a request that fails so is sent once more, on a new connection.
 */
export async function callWebhook(call: WebhookCall, signal: AbortSignal): Promise<CallResult> {
  const agent = call.url.protocol === 'https:' ? agents['https:'] : agents['http:'];
  return (await send(call, signal, agent)) ?? (await send(call, signal, false)) ?? CLOSED;
}

const CLOSED: CallResult = { kind: 'unreachable', why: 'connection closed' };

/**
 * @param agent false: on a new connection
 * @returns undefined when a reused connection fails before the first byte of a response
 */
function send(
  { url, method, headers, body }: WebhookCall,
  signal: AbortSignal,
  agent: http.Agent | false,
): Promise<CallResult | undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve({ kind: 'unreachable', why: 'timed out' });
    const length = body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) };
    const options = { method, headers: { ...headers, ...length }, signal, agent };
    const request = url.protocol === 'https:' ? https.request(url, options) : http.request(url, options);
    let bytesReadBefore = 0;
    request.on('socket', (socket) => {
      bytesReadBefore = socket.bytesRead;
    });
    const unreachable = (error: Error) => {
      if (signal.aborted) return resolve({ kind: 'unreachable', why: 'timed out' });
      const untouched = request.reusedSocket && request.socket?.bytesRead === bytesReadBefore;
      resolve(untouched ? undefined : { kind: 'unreachable', why: error.message });
    };
    request.on('error', unreachable);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const finish = (text: string | undefined) =>
        resolve({ kind: 'response', status: response.statusCode ?? 0, body: text });
      response.on('error', unreachable);
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= MAX_BODY) return void chunks.push(chunk);
        finish(undefined);
        request.destroy();
      });
      response.on('end', () => finish(Buffer.concat(chunks).toString()));
      response.on('close', () => unreachable(new Error('connection closed')));
    });
    request.end(body);
  });
}
