import { connect, type Socket } from 'node:net';
import type { Timer } from '../../lib/timers.ts';
import { RETRY_MS, type Sink, SinkHealth, type SinkOptions } from './sink.ts';

/** What may wait for a server that reads slowly, or not at all; beyond it lines are dropped. */
const MAX_UNSENT_BYTES = 262_144;
/** A server that takes nothing for this long is left. */
const STALLED_MS = 10_000;
const CONNECT_MS = 5_000;
const STOP_MS = 1_000;

/** Lines over a TCP connection, which is made anew for as long as it takes. */
export class TcpSink implements Sink {
  readonly #health: SinkHealth;
  #socket: Socket | undefined;
  #unsent = 0;
  #retryMs: number = RETRY_MS.first;
  #retry: Timer | undefined;
  /** Runs while the server owes us progress. */
  #stall: Timer | undefined;
  #stopped = false;

  constructor(private readonly options: SinkOptions) {
    this.#health = new SinkHealth(options);
    this.#connect();
  }

  send(lines: Buffer): void {
    const socket = this.#socket;
    if (!socket || this.#stopped || this.#unsent + lines.length > MAX_UNSENT_BYTES) return;
    this.#unsent += lines.length;
    if (!this.#stall) this.#expectProgress(socket, STALLED_MS, 'it does not read');
    socket.write(lines, () => {
      if (socket !== this.#socket) return;
      this.#unsent -= lines.length;
      this.#stall?.cancel();
      this.#stall = undefined;
      if (this.#unsent > 0) this.#expectProgress(socket, STALLED_MS, 'it does not read');
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#retry?.cancel();
    this.#stall?.cancel();
    this.#health.stop();
    const socket = this.#socket;
    if (!socket) return;
    const closed = Promise.withResolvers<void>();
    socket.once('close', () => closed.resolve());
    const deadline = this.options.timers.after(STOP_MS, () => socket.destroy());
    socket.end();
    // A server that keeps its half open does not hold us up.
    socket.once('finish', () => socket.destroy());
    await closed.promise;
    deadline.cancel();
  }

  #connect(): void {
    const { host, port } = this.options;
    const socket = connect({ host, port });
    let why = 'it has closed the connection';
    this.#socket = socket;
    this.#unsent = 0;
    this.#expectProgress(socket, CONNECT_MS, 'no connection in time');
    socket.setNoDelay(true);
    socket.on('connect', () => {
      this.#stall?.cancel();
      this.#stall = undefined;
      this.#retryMs = RETRY_MS.first;
      this.#health.worked();
    });
    // Otherwise nothing would be read, and the end of the connection not be seen.
    socket.resume();
    socket.on('end', () => socket.destroy());
    socket.on('error', (error) => {
      why = error.message;
    });
    socket.on('close', () => this.#closed(why));
  }

  #expectProgress(socket: Socket, ms: number, why: string): void {
    this.#stall?.cancel();
    this.#stall = this.options.timers.after(ms, () => socket.destroy(new Error(why)));
  }

  #closed(why: string): void {
    this.#socket = undefined;
    this.#stall?.cancel();
    this.#stall = undefined;
    if (this.#stopped) return;
    this.#health.failed(why);
    this.#retry = this.options.timers.after(this.#retryMs, () => this.#connect());
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS.longest);
  }
}
