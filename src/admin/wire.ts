import { BrokenAnswerError, NoSidecarError, TimedOutError } from './errors.ts';

/** Far above any real answer: 16 MiB are about 100 000 feature servers. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
const LINE_BREAK = 0x0a;

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ECONNREFUSED: 'nothing listens there',
  EACCES: 'permission denied',
  EINVAL: 'the path is too long for a socket',
};

/**
 * One connection to the admin socket: lines out, lines in, in order. Once it has failed it stays closed.
 * Bun.connect, because node:net takes 12 ms to load, which is half of what a whole command takes.
 */
export class Wire {
  readonly #waiting: PromiseWithResolvers<string>[] = [];
  readonly #received: Uint8Array[] = [];
  #receivedBytes = 0;
  #unsent: Uint8Array = new Uint8Array();
  #socket: { write(data: Uint8Array): number; terminate(): void } | undefined;
  #closed: Error | undefined;

  /** @throws NoSidecarError */
  static async open(socketPath: string): Promise<Wire> {
    const wire = new Wire();
    try {
      wire.#socket = await Bun.connect({
        unix: socketPath,
        socket: {
          data: (_, chunk) => wire.#take(chunk),
          drain: () => wire.#send(),
          close: () => wire.close(new BrokenAnswerError('the sidecar closed the connection without an answer')),
          error: (_, error) =>
            wire.close(new BrokenAnswerError(`the connection to the sidecar broke: ${error.message}`)),
        },
      });
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      throw new NoSidecarError(`no sidecar at ${socketPath}: ${WHY[code] ?? code}`);
    }
    return wire;
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /**
   * Sends a line and resolves with the line that answers it. After a time-out the connection is closed: an answer that
   * comes late would be taken for the next one's.
   * @throws TimedOutError after so many milliseconds
   * @throws BrokenAnswerError when the connection ends before, or the answer does not
   */
  async ask(line: string, timeoutMs: number): Promise<string> {
    if (this.#closed) throw this.#closed;
    const answer = Promise.withResolvers<string>();
    this.#waiting.push(answer);
    const timer = setTimeout(
      () => this.close(new TimedOutError(`timed out: the sidecar did not answer within ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    this.#unsent = joined([this.#unsent, new TextEncoder().encode(`${line}\n`)]);
    this.#send();
    try {
      return await answer.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whoever still waits for an answer gets this error. */
  close(why: Error): void {
    if (this.#closed) return;
    this.#closed = why;
    this.#socket?.terminate();
    for (const { reject } of this.#waiting.splice(0)) reject(why);
  }

  #send(): void {
    if (this.#unsent.length === 0 || !this.#socket) return;
    // A full socket takes a part, or nothing (-1 once it is closed); `drain` comes when there is room again.
    this.#unsent = this.#unsent.subarray(Math.max(this.#socket.write(this.#unsent), 0));
  }

  #take(chunk: Uint8Array): void {
    let rest = chunk;
    for (let end = rest.indexOf(LINE_BREAK); end >= 0; end = rest.indexOf(LINE_BREAK)) {
      const line = new TextDecoder().decode(joined([...this.#received.splice(0), rest.subarray(0, end)]));
      this.#receivedBytes = 0;
      rest = rest.subarray(end + 1);
      const asker = this.#waiting.shift();
      if (asker) asker.resolve(line);
      else this.close(new BrokenAnswerError('the sidecar answered what nobody had asked'));
    }
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
