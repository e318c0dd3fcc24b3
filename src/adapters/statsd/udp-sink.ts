import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import type { Timer } from '../../lib/timers.ts';
import { RETRY_MS, type Sink, SinkHealth, type SinkOptions } from './sink.ts';

/** Interval at which the host is looked up again: what moves elsewhere sends no error. */
const LOOKUP_MS = 60_000;

/** Lines in datagrams. Only an ICMP error shows that they are lost. */
export class UdpSink implements Sink {
  readonly #health: SinkHealth;
  #address = '';
  #socket: Socket | undefined;
  #retryMs: number = RETRY_MS.first;
  #next: Timer | undefined;
  #stopped = false;

  constructor(private readonly options: SinkOptions) {
    this.#health = new SinkHealth(options);
    void this.#open();
  }

  send(lines: Buffer): void {
    // A datagram needs no line break at its end.
    const end = lines.at(-1) === 0x0a ? lines.length - 1 : lines.length;
    this.#socket?.send(lines, 0, end, (error) => {
      if (error) this.#health.failed(error.message);
      else this.#health.worked();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#next?.cancel();
    this.#health.stop();
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    // What was sent in this turn of the event loop leaves first.
    await new Promise(setImmediate);
    socket.close();
  }

  /** Looks the host up and, when its address is another one, opens a socket to it. Never rejects. */
  async #open(): Promise<void> {
    const { host, timers } = this.options;
    try {
      const found = await lookup(host, { all: true });
      const { address, family } = found.find((one) => one.family === 4) ?? found[0] ?? { address: '', family: 0 };
      if (this.#stopped) return;
      if (address !== this.#address) this.#connect(address, family);
      this.#retryMs = RETRY_MS.first;
      this.#next = timers.after(LOOKUP_MS, () => void this.#open());
    } catch (error) {
      if (this.#stopped) return;
      this.#health.failed(error instanceof Error ? error.message : String(error));
      this.#next = timers.after(this.#retryMs, () => void this.#open());
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS.longest);
    }
  }

  #connect(address: string, family: number): void {
    this.#socket?.close();
    this.#socket = undefined;
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    socket.on('error', (error) => this.#health.failed(error.message));
    socket.connect(this.options.port, address, () => {
      if (this.#stopped) socket.close();
      else this.#socket = socket;
    });
    this.#address = address;
  }
}
