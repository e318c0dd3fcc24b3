import type { Socket } from 'node:net';
import { nestsDeeperThan, parseJson } from '../lib/json.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import type { Operator } from './audit.ts';
import { peerCredentials } from './peer-credentials.ts';
import { KEEP_ALIVE_MS, MAX_LINE_BYTES } from './protocol.ts';
import { refuse } from './refused-client.ts';

/** For a client that asks nothing, or does not read its answers. */
const IDLE_TIMEOUT_MS = 60_000;
/** Longest line, bytes; as much as our client reads. There is one at a time for each client. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
/** Lists and objects in one another in a request. */
const MAX_LEVELS = 32;

/** One line, or several. */
export type Answer = object | AsyncIterable<object>;
/** @param signal is aborted when the client has gone */
export type Perform = (request: unknown, signal: AbortSignal, operator: Operator) => Promise<Answer>;

const KEEP_ALIVE = { success: true, more: true };
const STOPPING = { success: false, error: 'the sidecar stops', stopping: true };

/** The server's end of one connection: requests are carried out one after the other. */
export class ClientConnection {
  #received = Buffer.alloc(0);
  #idle: Timer | undefined;
  #isStreaming = false;
  readonly #gone = new AbortController();
  readonly #operator: Operator;

  constructor(
    private readonly socket: Socket,
    private readonly perform: Perform,
    private readonly timers: Timers,
    onError: (error: Error) => void,
    onClose: () => void,
  ) {
    this.#operator = peerCredentials(socket) ?? {};
    this.#isActive();
    socket.on('data', (chunk: Buffer) => {
      this.#isActive();
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#next().catch((error: unknown) => {
        onError(error instanceof Error ? error : new Error(String(error)));
        this.#refuseAndClose('internal error, see the log');
      });
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#idle?.cancel();
      this.#gone.abort();
      onClose();
    });
  }

  /** Closes the connection because the sidecar stops. */
  stop(): void {
    if (this.#isStreaming) this.#send(STOPPING);
    this.socket.destroy();
  }

  #isActive(): void {
    this.#idle?.cancel();
    this.#idle = this.timers.after(IDLE_TIMEOUT_MS, () => this.socket.destroy());
  }

  async #next(): Promise<void> {
    for (let line = this.#takeLine(); line !== undefined && this.socket.writable; line = this.#takeLine())
      if (line !== '') await this.#answer(line);
    this.socket.resume();
  }

  #takeLine(): string | undefined {
    const end = this.#received.indexOf('\n');
    if (end > MAX_LINE_BYTES || (end < 0 && this.#received.length > MAX_LINE_BYTES)) {
      this.#refuseAndClose(`line over ${MAX_LINE_BYTES} bytes`);
      return undefined;
    }
    if (end < 0) return undefined;
    const line = this.#received.toString('utf8', 0, end).trim();
    this.#received = this.#received.subarray(end + 1);
    return line;
  }

  async #answer(line: string): Promise<void> {
    const request = parseJson(line);
    if (request === undefined || nestsDeeperThan(request, MAX_LEVELS)) {
      this.#refuseAndClose('Invalid command');
      return;
    }
    // No data comes while a request is carried out: requests cannot overlap, nor fill our memory.
    this.socket.pause();
    const answer = await this.perform(request, this.#gone.signal, this.#operator);
    if (Symbol.asyncIterator in answer) await this.#stream(answer);
    else await this.#deliver(answer);
  }

  /** Reads no line before the client has taken the one before. */
  async #stream(lines: AsyncIterable<object>): Promise<void> {
    this.#isStreaming = true;
    let keepAlive = this.#keepAlive();
    try {
      for await (const line of lines) {
        keepAlive.cancel();
        await this.#deliver(line);
        if (this.socket.destroyed) return;
        keepAlive = this.#keepAlive();
      }
    } finally {
      keepAlive.cancel();
      this.#isStreaming = false;
    }
  }

  /** Shows a client that waits for a line that we live. */
  #keepAlive(): Timer {
    let timer: Timer;
    const again = () => {
      timer = this.timers.after(KEEP_ALIVE_MS, () => {
        if (!this.socket.writableNeedDrain) {
          this.#send(KEEP_ALIVE);
          this.#isActive();
        }
        again();
      });
    };
    again();
    return { cancel: () => timer.cancel() };
  }

  async #deliver(answer: object): Promise<void> {
    this.#send(answer);
    if (this.socket.writableNeedDrain) await writable(this.socket);
    if (!this.socket.destroyed) this.#isActive();
  }

  #refuseAndClose(error: string): void {
    this.#received = Buffer.alloc(0);
    refuse(this.socket, error);
  }

  #send(answer: object): void {
    if (!this.socket.writable) return;
    const line = Buffer.from(`${JSON.stringify(answer)}\n`);
    if (line.length > MAX_ANSWER_BYTES) this.#refuseAndClose(`answer over ${MAX_ANSWER_BYTES} bytes`);
    else this.socket.write(line);
  }
}

/** Resolves on 'close' too: the idle time-out ends a client that does not read its answers. */
function writable(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}
