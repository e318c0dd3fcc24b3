import { existsSync } from 'node:fs';
import * as v from 'valibot';
import { BrokenAnswerError, RefusedError, StoppedError } from './errors.ts';
import { ConnectError, LineConnection } from './line-connection.ts';
import {
  ACTIONS,
  type ActionName,
  DEFAULT_SOCKET_PATH,
  MAX_LINE_BYTES,
  type Params,
  REFUSAL,
  SERVICE_SOCKET_PATH,
  STREAM_LINE,
  STREAMS,
  type StreamName,
  type StreamPart,
  type StreamRequest,
  SUCCESS,
  type Success,
} from './protocol.ts';
import { trustedOwner, whyNot } from './trust.ts';

/** The sidecar itself takes up to 3 s to report a store that is down. */
export const ANSWER_TIMEOUT_MS = 5000;

export interface AdminClientOptions {
  readonly socketPath: string;
  /** For each answer, default {@link ANSWER_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
}

/** Where a sidecar listens unless SBC_SOCKET_PATH says otherwise: that of the service, or one that was started by hand. */
export function usualSocketPath(service = SERVICE_SOCKET_PATH): string {
  return existsSync(service) ? service : DEFAULT_SOCKET_PATH;
}

/**
 * Sends one request over a connection of its own.
 * @throws AdminError: NoSidecarError, DeniedError, RefusedError, TimedOutError or BrokenAnswerError
 */
export async function requestOnce<A extends ActionName>(
  action: A,
  params: Params<A>,
  options: AdminClientOptions,
): Promise<Success<A>> {
  const client = new AdminClient(options);
  try {
    return await client.request(action, params);
  } finally {
    client.close();
  }
}

/**
 * Opens a connection of its own and yields the parts of a stream, the last of which ends it. The connection is closed when
 * the caller stops, or when `signal` is aborted, which ends the stream.
 * @throws AdminError: as {@link requestOnce}, and StoppedError; TimedOutError when the next part takes too long
 */
export async function* streamOf<A extends StreamName>(
  name: A,
  params: StreamRequest<A>,
  { socketPath, timeoutMs = ANSWER_TIMEOUT_MS, signal }: AdminClientOptions & { readonly signal?: AbortSignal },
): AsyncGenerator<StreamPart<A>, void> {
  const connection = await openTrusted(socketPath);
  const close = () => connection.close(new BrokenAnswerError('the connection to the sidecar was closed'));
  signal?.addEventListener('abort', close);
  try {
    if (signal?.aborted) return;
    for await (const line of connection.stream(JSON.stringify({ action: name, ...params }), timeoutMs)) {
      const answer = parseAnswer(line);
      if (v.is(REFUSAL, answer)) throw new (answer.stopping ? StoppedError : RefusedError)(answer.error);
      if (!v.is(STREAM_LINE, answer)) throw notUnderstood(name);
      const { success: _, more, ...part } = answer;
      if (isPart(name, part)) yield part;
      else if (Object.keys(part).length > 0) throw notUnderstood(name);
      if (!more) return;
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
  } finally {
    signal?.removeEventListener('abort', close);
    close();
  }
}

/** Sends requests in order over one connection, which the first request opens. Reconnects after a loss. */
export class AdminClient {
  #connection: LineConnection | undefined;
  #opening: Promise<LineConnection> | undefined;
  #opened = 0;

  constructor(private readonly options: AdminClientOptions) {}

  /** Connections opened so far. A change means that the sidecar may have restarted. */
  get opened(): number {
    return this.#opened;
  }

  async request<A extends ActionName>(
    action: A,
    params: Params<A>,
    timeoutMs = this.options.timeoutMs ?? ANSWER_TIMEOUT_MS,
  ): Promise<Success<A>> {
    const line = JSON.stringify({ action, ...params });
    // The sidecar would refuse and close while we are still writing, and its message could be lost.
    if (new TextEncoder().encode(line).length > MAX_LINE_BYTES)
      throw new RefusedError(`a request may have ${MAX_LINE_BYTES} bytes at most`);
    const connection = await this.#connected();
    const answer = parseAnswer(await connection.exchange(line, timeoutMs));
    if (v.is(REFUSAL, answer)) throw new RefusedError(answer.error);
    if (isSuccess(action, answer)) return answer;
    throw notUnderstood(action);
  }

  async #connected(): Promise<LineConnection> {
    if (this.#connection && !this.#connection.closed) return this.#connection;
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<LineConnection> {
    try {
      this.#connection = await openTrusted(this.options.socketPath);
      this.#opened++;
      return this.#connection;
    } finally {
      this.#opening = undefined;
    }
  }

  /** Pending requests fail with BrokenAnswerError. */
  close(): void {
    this.#connection?.close(new BrokenAnswerError('the connection to the sidecar was closed'));
  }
}

/** Asks only a socket of root or of our own user: any other user could have put one there to be taken for the sidecar. */
async function openTrusted(path: string): Promise<LineConnection> {
  const owner = trustedOwner(path);
  let connection: LineConnection;
  try {
    connection = await LineConnection.open(path);
  } catch (error) {
    throw error instanceof ConnectError ? whyNot(path, error.code, owner) : error;
  }
  try {
    // The file may have been exchanged before we connected.
    trustedOwner(path);
    return connection;
  } catch (error) {
    connection.close(new BrokenAnswerError('the socket is not trusted'));
    throw error;
  }
}

function notUnderstood(action: string): BrokenAnswerError {
  return new BrokenAnswerError(`the sidecar's answer to ${action} is not understood: is it of another version?`);
}

/** Fields of a newer version are kept, so that `--json` prints them. */
function isSuccess<A extends ActionName>(action: A, answer: unknown): answer is Success<A> {
  return v.is(SUCCESS, answer) && v.is(ACTIONS[action].result, answer);
}

function isPart<A extends StreamName>(name: A, part: unknown): part is StreamPart<A> {
  return v.is(STREAMS[name].part, part);
}

function parseAnswer(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new BrokenAnswerError("the sidecar's answer is no JSON: is something else listening at its socket?");
  }
}
