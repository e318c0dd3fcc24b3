import type { Socket } from 'node:net';
import { nestsDeeperThan, parseJson } from '../lib/json.ts';
import type { Timer, Timers } from '../lib/timers.ts';
import { MAX_LINE_BYTES } from './protocol.ts';
import { refuse } from './refused-client.ts';

/** For a client that asks nothing, or does not read its answers. */
const IDLE_TIMEOUT_MS = 60_000;
/** Longest answer, bytes; as much as our client reads. There is one at a time for each client. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
/** Lists and objects in one another in a request. */
const MAX_LEVELS = 32;

export type Perform = (request: unknown) => Promise<object>;

/** The server's end of one connection: requests are carried out one after the other. */
export class ClientConnection {
  #received = Buffer.alloc(0);
  #idle: Timer | undefined;

  constructor(
    private readonly socket: Socket,
    private readonly perform: Perform,
    private readonly timers: Timers,
    onError: (error: Error) => void,
    onClose: () => void,
  ) {
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
      onClose();
    });
  }

  destroy(): void {
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
    this.#send(await this.perform(request));
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
