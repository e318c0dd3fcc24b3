import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import type { Timer } from '../../lib/timers.ts';
import { RETRY_MS, type Sink, SinkHealth, type SinkOptions } from './sink.ts';

/** Interval at which the host is looked up again: what moves elsewhere sends no error. */
const LOOKUP_MS = 60_000;

/** Datagrams that wait for the first look-up; further ones are dropped. */
const MAX_WAITING = 64;
const STOP_MS = 1_000;

/** Lines in datagrams. Only an ICMP error shows that they are lost. */
export class UdpSink implements Sink {
  readonly #health: SinkHealth;
  #address = '';
  #socket: Socket | undefined;
  #waiting: Buffer[] = [];
  #opening: Promise<void>;
  #retryMs: number = RETRY_MS.first;
  #next: Timer | undefined;
  #state: 'running' | 'stopping' | 'stopped' = 'running';

  constructor(private readonly options: SinkOptions) {
    this.#health = new SinkHealth(options);
    this.#opening = this.#open();
  }

  send(lines: Buffer): void {
    const socket = this.#socket;
    if (!socket) {
      if (this.#waiting.length < MAX_WAITING && this.#state !== 'stopped') this.#waiting.push(lines);
      return;
    }
    // A datagram needs no line break at its end.
    const end = lines.at(-1) === 0x0a ? lines.length - 1 : lines.length;
    socket.send(lines, 0, end, (error) => {
      if (this.#state !== 'running') return;
      if (error) this.#health.failed(error.message);
      else this.#health.worked();
    });
  }

  async stop(): Promise<void> {
    this.#state = 'stopping';
    this.#next?.cancel();
    this.#health.stop();
    const late = Promise.withResolvers<void>();
    const deadline = this.options.timers.after(STOP_MS, late.resolve);
    await Promise.race([this.#opening, late.promise]);
    deadline.cancel();
    // What was sent in this turn of the event loop leaves first.
    await new Promise(setImmediate);
    this.#state = 'stopped';
    this.#socket?.close();
    this.#socket = undefined;
  }

  /** Looks the host up and, when its address is another one, opens a socket to it. Never rejects. */
  async #open(): Promise<void> {
    const { host } = this.options;
    try {
      const found = await lookup(host, { all: true });
      const { address, family } = found.find((one) => one.family === 4) ?? found[0] ?? { address: '', family: 0 };
      if (address !== this.#address) await this.#connect(address, family);
      this.#retryMs = RETRY_MS.first;
      this.#openAfter(LOOKUP_MS);
    } catch (error) {
      if (this.#state === 'running') this.#health.failed(error instanceof Error ? error.message : String(error));
      this.#openAfter(this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS.longest);
    }
  }

  #openAfter(ms: number): void {
    if (this.#state !== 'running') return;
    this.#next = this.options.timers.after(ms, () => {
      this.#opening = this.#open();
    });
  }

  async #connect(address: string, family: number): Promise<void> {
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    socket.on('error', (error) => {
      if (this.#state === 'running') this.#health.failed(error.message);
    });
    await new Promise<void>((resolve) => socket.connect(this.options.port, address, resolve));
    if (this.#state === 'stopped') {
      socket.close();
      return;
    }
    this.#socket?.close();
    this.#socket = socket;
    this.#address = address;
    for (const lines of this.#waiting.splice(0)) this.send(lines);
  }
}
