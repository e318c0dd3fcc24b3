import type { Socket } from 'node:net';
import { parseJson } from '../lib/json.ts';
import { MAX_LINE_BYTES } from './protocol.ts';

/** A client that says nothing for so long is let go, milliseconds. */
const IDLE_MS = 60_000;

/** Carries out one request. Its answer goes out before the next line is looked at. */
export type Perform = (request: unknown) => Promise<object>;

/** One client of the admin socket: lines in, lines out, in order. */
export class AdminConnection {
  #received = Buffer.alloc(0);
  #busy = false;

  constructor(
    private readonly socket: Socket,
    private readonly perform: Perform,
    onError: (error: Error) => void,
    onClose: () => void,
  ) {
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#next().catch((error: unknown) => {
        onError(error instanceof Error ? error : new Error(String(error)));
        this.#refuseAndClose('internal error, see the log');
      });
    });
    // 'close' follows; a client that went away is no news.
    socket.on('error', () => {});
    socket.on('close', onClose);
  }

  destroy(): void {
    this.socket.destroy();
  }

  async #next(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let line = this.#takeLine(); line !== undefined && this.socket.writable; line = this.#takeLine())
        if (line !== '') await this.#answer(line);
    } finally {
      this.#busy = false;
    }
    // What a client may send ahead is bounded: nothing more is read while one of its lines is worked on.
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
    if (request === undefined) {
      this.#refuseAndClose('Invalid command');
      return;
    }
    this.socket.pause();
    this.#send(await this.perform(request));
    if (this.socket.writableNeedDrain) await drained(this.socket);
  }

  #refuseAndClose(error: string): void {
    this.#send({ success: false, error });
    this.#received = Buffer.alloc(0);
    this.socket.destroySoon();
  }

  #send(answer: object): void {
    if (this.socket.writable) this.socket.write(`${JSON.stringify(answer)}\n`);
  }
}

/** A client that does not read its answers is let go by its time-out. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    for (const event of ['drain', 'close']) socket.once(event, () => resolve());
  });
}
