import type { ActionName, Success } from '../../admin/protocol.ts';

/** What `GET /api/access` answers. */
export interface Allowed {
  readonly read: boolean;
  readonly act: boolean;
  readonly token: 'none' | 'missing' | 'wrong' | 'limited' | 'right';
}

/** The sidecar has refused a request; the message is for the operator. */
export class RefusedRequest extends Error {
  override readonly name = 'RefusedRequest';

  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Pause before a stream is opened again, doubled with each failure in a row, milliseconds. */
const RETRY_MS = 500;
const MAX_RETRY_MS = 8000;

/** The sidecar's HTTP API. The token is kept in memory only. */
export class Client {
  #token: string | undefined;

  /** @returns what may be done with the token, which is kept if it is right */
  async access(token = this.#token): Promise<Allowed> {
    const response = await fetch('/api/access', { headers: headersOf(token) });
    const allowed: Allowed = await response.json();
    this.#token = allowed.token === 'right' ? token : undefined;
    return allowed;
  }

  forgetToken(): void {
    this.#token = undefined;
  }

  /** @throws RefusedRequest, TypeError when the sidecar is not reached */
  async get<T>(path: string, signal?: AbortSignal): Promise<T> {
    const response = await fetch(path, { headers: headersOf(this.#token), ...(signal && { signal }) });
    return answerOf(response);
  }

  /** The answer to an action that reads. @throws as {@link get} */
  read<A extends ActionName>(action: A, parameters: Record<string, string> = {}): Promise<Success<A> & More> {
    const query = new URLSearchParams(parameters).toString();
    return this.get(`/api/${action}${query === '' ? '' : `?${query}`}`);
  }

  /** Carries out an action. @throws as {@link get} */
  async act<A extends ActionName>(action: A, parameters: object): Promise<Success<A>> {
    const response = await fetch(`/api/${action}`, {
      method: 'POST',
      headers: { ...headersOf(this.#token), 'Content-Type': 'application/json' },
      body: JSON.stringify(parameters),
    });
    return answerOf(response);
  }

  /** Follows Server-Sent Events until `signal` is aborted, over a new request when one ends. */
  async follow(path: string, signal: AbortSignal, listener: StreamListener): Promise<void> {
    let retryMs = RETRY_MS;
    while (!signal.aborted) {
      try {
        const response = await fetch(path, { headers: headersOf(this.#token), signal });
        if (!response.ok || !response.body) throw new RefusedRequest(response.status, `HTTP ${response.status}`);
        listener.opened();
        retryMs = RETRY_MS;
        await readMessages(response.body, listener);
        listener.lost('the sidecar has ended the connection');
      } catch (error) {
        if (signal.aborted) return;
        listener.lost(error instanceof Error ? error.message : String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, retryMs));
      retryMs = Math.min(2 * retryMs, MAX_RETRY_MS);
    }
  }
}

/** How many rows each list of an answer has lost. */
export interface More {
  readonly more?: Readonly<Record<string, number>>;
}

export interface StreamListener {
  opened(): void;
  lost(why: string): void;
  /** @param data parsed JSON */
  message(event: string, data: unknown): void;
}

function headersOf(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { Authorization: `Bearer ${token}` };
}

async function answerOf<T>(response: Response): Promise<T> {
  const answer = await response.json();
  if (!response.ok) throw new RefusedRequest(response.status, String(answer.error ?? `HTTP ${response.status}`));
  return answer;
}

async function readMessages(body: ReadableStream<Uint8Array>, listener: StreamListener): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const messages = (text + decoder.decode(value, { stream: true })).split('\n\n');
    text = messages.pop() ?? '';
    for (const message of messages) {
      const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(message) ?? [];
      if (event !== undefined && data !== undefined) listener.message(event, JSON.parse(data));
    }
  }
}
