import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Inbox } from './support.ts';

export const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: 127.0.0.1',
  'Upgrade: websocket',
  'Connection: keep-alive, Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Protocol: sip',
];

export interface ReceivedFrame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** A frame as a client sends it, malformed if the options say so. */
export function clientFrame(
  opcode: number,
  payload: Uint8Array | string,
  { fin = true, masked = true, reserved = 0 }: { fin?: boolean; masked?: boolean; reserved?: number } = {},
): Buffer {
  const bytes = Buffer.from(payload as string);
  const header = Buffer.alloc(bytes.length < 126 ? 2 : bytes.length < 65_536 ? 4 : 10);
  header[0] = (fin ? 0x80 : 0) | reserved | opcode;
  header[1] = (masked ? 0x80 : 0) | (header.length === 2 ? bytes.length : header.length === 4 ? 126 : 127);
  if (header.length === 4) header.writeUInt16BE(bytes.length, 2);
  if (header.length === 10) header.writeBigUInt64BE(BigInt(bytes.length), 2);
  if (!masked) return Buffer.concat([header, bytes]);
  const mask = randomBytes(4);
  return Buffer.concat([header, mask, bytes.map((byte, i) => byte ^ (mask[i & 3] ?? 0))]);
}

/** A browser's side of a WebSocket, byte by byte. */
export class WsPeer {
  /** Payloads of text and binary frames. */
  readonly inbox = new Inbox<string>();
  /** All other frames. */
  readonly control = new Inbox<ReceivedFrame>();
  readonly closed: Promise<void>;
  #rest = Buffer.alloc(0);

  /** Upgrades a connection. @throws when the upgrade is refused */
  static async open(socket: Socket): Promise<WsPeer> {
    socket.on('error', () => {});
    socket.write(`${UPGRADE.join('\r\n')}\r\n\r\n`);
    const [answer] = await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => [''])]);
    if (!String(answer).startsWith('HTTP/1.1 101 ')) throw new Error(`not upgraded: ${answer}`);
    return new WsPeer(socket);
  }

  private constructor(readonly socket: Socket) {
    this.closed = new Promise((resolve) => socket.on('close', () => resolve()));
    socket.on('data', (data) => {
      this.#rest = Buffer.concat([this.#rest, data as Buffer]);
      while (this.#takeFrame());
    });
  }

  get address(): string {
    return this.socket.localAddress ?? '';
  }

  get port(): number {
    return this.socket.localPort ?? 0;
  }

  encode(text: string): Buffer {
    return clientFrame(1, text);
  }

  pieces(text: string): Buffer[] {
    const bytes = this.encode(text);
    return [bytes.subarray(0, 5), bytes.subarray(5, -1)];
  }

  send(text: string): void {
    this.socket.write(this.encode(text));
  }

  next(what = 'a message on the WebSocket'): Promise<string> {
    return this.inbox.next(what);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  #takeFrame(): boolean {
    const [first = 0, short = 0] = this.#rest;
    const header = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (this.#rest.length < header) return false;
    const length =
      short === 126 ? this.#rest.readUInt16BE(2) : short === 127 ? Number(this.#rest.readBigUInt64BE(2)) : short;
    if (this.#rest.length < header + length) return false;
    const payload = Buffer.from(this.#rest.subarray(header, header + length));
    this.#rest = this.#rest.subarray(header + length);
    const opcode = first & 0x0f;
    if (opcode === 1 || opcode === 2) this.inbox.put(payload.toString());
    else this.control.put({ opcode, payload });
    return true;
  }
}
