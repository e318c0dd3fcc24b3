import { isAnswerTo, refusal, type Success } from './answers.ts';
import { BrokenAnswerError, RefusedError } from './errors.ts';
import { type ActionName, type Actions, MAX_LINE_BYTES } from './protocol.ts';
import { Wire } from './wire.ts';

/** A sidecar that is well answers in milliseconds; a store that is down answers within 3 s. */
export const ANSWER_TIMEOUT_MS = 5000;

export interface AskOptions {
  readonly socketPath: string;
  /** For the answer to each request, milliseconds. */
  readonly timeoutMs?: number;
}

/**
 * Asks the sidecar one thing.
 * @throws NoSidecarError, RefusedError, TimedOutError, BrokenAnswerError: all of them AdminError
 */
export async function ask<A extends ActionName>(
  action: A,
  asked: Actions[A]['asked'],
  options: AskOptions,
): Promise<Success<A>> {
  const connection = new AdminConnection(options);
  try {
    return await connection.ask(action, asked);
  } finally {
    connection.close();
  }
}

/** Requests in order over one connection, which is opened with the first, and anew with the next after it was lost. */
export class AdminConnection {
  #wire: Wire | undefined;
  #opened = 0;

  constructor(private readonly options: AskOptions) {}

  /** How many times it was opened; a second time means that the sidecar was away, and may have been started again. */
  get opened(): number {
    return this.#opened;
  }

  /** @throws as {@link ask} does */
  async ask<A extends ActionName>(
    action: A,
    asked: Actions[A]['asked'],
    timeoutMs = this.options.timeoutMs ?? ANSWER_TIMEOUT_MS,
  ): Promise<Success<A>> {
    const line = JSON.stringify({ action, ...asked });
    // The sidecar would close the connection while we are still writing, and its reason could be lost.
    if (new TextEncoder().encode(line).length > MAX_LINE_BYTES)
      throw new RefusedError(`a request may have ${MAX_LINE_BYTES} bytes at most`);
    if (!this.#wire || this.#wire.closed) {
      this.#wire = await Wire.open(this.options.socketPath);
      this.#opened++;
    }
    const answer = parsed(await this.#wire.ask(line, timeoutMs));
    const refused = refusal(answer);
    if (refused !== undefined) throw new RefusedError(refused);
    if (isAnswerTo(action, answer)) return answer;
    throw new BrokenAnswerError(`the sidecar's answer to ${action} is not understood: is it of another version?`);
  }

  /** Whoever still waits is told that the connection was closed. */
  close(): void {
    this.#wire?.close(new BrokenAnswerError('the connection to the sidecar was closed'));
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new BrokenAnswerError("the sidecar's answer is no JSON: is something else listening at its socket?");
  }
}
