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

/** Makes one HTTP request without following redirects. Never rejects; resolves at the latest when aborted. */
export function callWebhook({ url, method, headers, body }: WebhookCall, signal: AbortSignal): Promise<CallResult> {
  return new Promise((resolve) => {
    const unreachable = (error: Error) =>
      resolve({ kind: 'unreachable', why: signal.aborted ? 'timed out' : error.message });
    if (signal.aborted) return unreachable(new Error('timed out'));
    const length = body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) };
    const options = { method, headers: { ...headers, ...length }, signal };
    const request =
      url.protocol === 'https:'
        ? https.request(url, { ...options, agent: agents['https:'] })
        : http.request(url, { ...options, agent: agents['http:'] });
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
