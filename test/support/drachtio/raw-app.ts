import { connect, type Socket } from 'node:net';
import { silent } from '../../edge/support.ts';
import { Inbox } from '../inbox.ts';
import { DrachtioDouble, type DrachtioOptions } from './index.ts';

export const SECRET = 'cymru';

export function startTestDrachtio(options: Partial<DrachtioOptions> = {}): Promise<DrachtioDouble> {
  const listen = [
    { proto: 'udp', host: '127.0.0.1', port: 0 },
    { proto: 'tcp', host: '127.0.0.1', port: 0 },
  ] as const;
  return DrachtioDouble.start({ listen, secret: SECRET, logger: silent, ...options });
}

/** An app that sends and receives frames without drachtio-srf. */
export class RawApp {
  readonly frames = new Inbox<string>();
  readonly closed: Promise<void>;
  #rest = Buffer.alloc(0);

  static async connect(port: number): Promise<RawApp> {
    const socket = connect({ host: '127.0.0.1', port });
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new RawApp(socket);
  }

  static async ready(server: DrachtioDouble, ...methods: string[]): Promise<RawApp> {
    const app = await RawApp.connect(server.controlPort);
    await app.ask(`authenticate|${SECRET}|`);
    for (const method of methods) await app.ask(`route|${method}`);
    return app;
  }

  private constructor(readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => socket.on('close', () => resolve()));
    socket.on('data', (data) => {
      this.#rest = Buffer.concat([this.#rest, data as Buffer]);
      for (;;) {
        const hash = this.#rest.indexOf('#');
        const end = hash + 1 + Number(this.#rest.toString('latin1', 0, Math.max(hash, 0)));
        if (hash < 0 || this.#rest.length < end) return;
        this.frames.put(this.#rest.toString('utf8', hash + 1, end));
        this.#rest = this.#rest.subarray(end);
      }
    });
  }

  send(payload: string): void {
    this.socket.write(`${Buffer.byteLength(payload)}#${payload}`);
  }

  /** Sends a message with a new id. @returns the next frame */
  async ask(message: string): Promise<string> {
    this.send(`${crypto.randomUUID()}|${message}`);
    return this.next(`an answer to ${message.slice(0, 40)}`);
  }

  next(what = 'a frame'): Promise<string> {
    return this.frames.next(what);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

export function transactionOf(frame: string): string {
  return frame.split('|')[8] ?? '';
}

export function textOf(frame: string): string {
  return frame.slice(frame.indexOf('\r\n') + 2);
}
