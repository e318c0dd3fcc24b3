import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { within } from './deadline.ts';

const DEADLINE_MS = 20_000;

/** A client of the admin socket that can also send invalid bytes. */
export class RawAdminClient {
  #text = '';
  /** Characters so far. */
  received = 0;
  readonly #lines: string[] = [];
  readonly #waiting: ((line: string) => void)[] = [];
  readonly closed: Promise<unknown>;

  private constructor(readonly socket: Socket) {
    socket.setEncoding('utf8');
    socket.on('data', (chunk) => {
      this.received += chunk.length;
      this.#text += chunk;
      const lines = this.#text.split('\n');
      this.#text = lines.pop() ?? '';
      for (const line of lines) {
        const waiting = this.#waiting.shift();
        if (waiting) waiting(line);
        else this.#lines.push(line);
      }
    });
    socket.on('error', () => {});
    this.closed = once(socket, 'close');
  }

  static async open(path: string): Promise<RawAdminClient> {
    const socket = connect(path);
    await within(once(socket, 'connect'), DEADLINE_MS, 'admin socket');
    return new RawAdminClient(socket);
  }

  write(data: string | Uint8Array): void {
    this.socket.write(data);
  }

  async answer(): Promise<Record<string, unknown>> {
    const queued = this.#lines.shift();
    const line = queued ?? (await within(new Promise<string>((r) => this.#waiting.push(r)), DEADLINE_MS, 'answer'));
    return JSON.parse(line) as Record<string, unknown>;
  }

  ask(request: object): Promise<Record<string, unknown>> {
    this.write(`${JSON.stringify(request)}\n`);
    return this.answer();
  }

  close(): void {
    this.socket.destroy();
  }
}
