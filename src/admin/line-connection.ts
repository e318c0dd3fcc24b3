import { BrokenAnswerError, TimedOutError } from './errors.ts';

/** About 100 000 feature servers in `fs-list`. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
const LINE_BREAK = 0x0a;

const CONNECT_TIMEOUT_MS = 1000;

/** The socket did not accept the connection; `code` as in `ECONNREFUSED`. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError';

  constructor(readonly code: string) {
    super(`cannot connect: ${code}`);
  }
}

/**
 * The client's end of one connection: lines out, lines in, answered in order. It does not reconnect.
 * Uses Bun.connect because node:net takes 12 ms to load, half the run time of a short command.
 */
export class LineConnection {
  readonly #waiting: PromiseWithResolvers<string>[] = [];
  readonly #received: Uint8Array[] = [];
  #receivedBytes = 0;
  #unsent: Uint8Array = new Uint8Array();
  #socket: Pick<Bun.Socket, 'write' | 'terminate' | 'pause' | 'resume'> | undefined;
  /** Lines of a stream that wait to be taken; undefined outside a stream. */
  #lines: string[] | undefined;
  #closed: Error | undefined;

  /** @throws ConnectError, with ETIMEDOUT after a second */
  static async open(socketPath: string): Promise<LineConnection> {
    const connection = new LineConnection();
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new ConnectError('ETIMEDOUT')), CONNECT_TIMEOUT_MS);
    const connecting = Bun.connect({
      unix: socketPath,
      socket: {
        data: (_, chunk) => connection.#take(chunk),
        drain: () => connection.#send(),
        close: () => connection.close(new BrokenAnswerError('the sidecar closed the connection without an answer')),
        error: (_, error) =>
          connection.close(new BrokenAnswerError(`the connection to the sidecar broke: ${error.message}`)),
      },
    });
    try {
      connection.#socket = await Promise.race([connecting, late.promise]);
    } catch (error) {
      connecting.then((socket) => socket.terminate()).catch(() => {});
      if (error instanceof ConnectError) throw error;
      throw new ConnectError(error instanceof Error && 'code' in error ? String(error.code) : String(error));
    } finally {
      clearTimeout(timer);
    }
    return connection;
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /**
   * Sends a line and resolves with the line that answers it. A time-out closes the connection, since a late answer would
   * be taken for that of the next request.
   * @throws TimedOutError after `timeoutMs`
   * @throws BrokenAnswerError when the connection ends first, or the answer is too long
   */
  async exchange(line: string, timeoutMs: number): Promise<string> {
    if (this.#closed) throw this.#closed;
    const answer = this.#next(timeoutMs);
    this.#unsent = joined([this.#unsent, new TextEncoder().encode(`${line}\n`)]);
    this.#send();
    return answer;
  }

  async #next(timeoutMs: number): Promise<string> {
    if (this.#closed) throw this.#closed;
    const line = Promise.withResolvers<string>();
    this.#waiting.push(line);
    const timer = setTimeout(
      () => this.close(new TimedOutError(`timed out: the sidecar did not answer within ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    try {
      return await line.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Sends a line and yields the lines that answer it, until the caller stops; the connection serves for nothing else then.
   * Reading pauses while the caller is busy, so that the peer waits.
   * @throws TimedOutError when the next line takes longer than `timeoutMs`
   * @throws BrokenAnswerError when the connection ends, or a line is too long
   */
  async *stream(line: string, timeoutMs: number): AsyncGenerator<string, never> {
    const lines: string[] = [];
    this.#lines = lines;
    yield await this.exchange(line, timeoutMs);
    for (;;) {
      const next = lines.shift();
      if (next !== undefined) yield next;
      else {
        this.#socket?.resume();
        yield await this.#next(timeoutMs);
      }
    }
  }

  /** Pending exchanges fail with this error. */
  close(why: Error): void {
    if (this.#closed) return;
    this.#closed = why;
    this.#socket?.terminate();
    for (const { reject } of this.#waiting.splice(0)) reject(why);
  }

  #send(): void {
    if (this.#unsent.length === 0 || !this.#socket) return;
    // write() may take only a part, and returns -1 on a closed socket; `drain` follows when there is room again.
    this.#unsent = this.#unsent.subarray(Math.max(this.#socket.write(this.#unsent), 0));
  }

  #take(chunk: Uint8Array): void {
    let rest = chunk;
    for (let end = rest.indexOf(LINE_BREAK); end >= 0; end = rest.indexOf(LINE_BREAK)) {
      const line = new TextDecoder().decode(joined([...this.#received.splice(0), rest.subarray(0, end)]));
      this.#receivedBytes = 0;
      rest = rest.subarray(end + 1);
      const next = this.#waiting.shift();
      if (next) next.resolve(line);
      else if (this.#lines) this.#lines.push(line);
      else this.close(new BrokenAnswerError('the sidecar answered what nobody had asked'));
    }
    if (this.#lines && this.#lines.length > 0) this.#socket?.pause();
    this.#received.push(rest);
    this.#receivedBytes += rest.length;
    if (this.#receivedBytes > MAX_ANSWER_BYTES)
      this.close(new BrokenAnswerError(`the sidecar's answer is longer than ${MAX_ANSWER_BYTES} bytes`));
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
