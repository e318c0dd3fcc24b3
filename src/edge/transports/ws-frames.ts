import { isUtf8 } from 'node:buffer';
import { MAX_MESSAGE_BYTES } from '../limits.ts';
import { GrowingBuffer } from './growing-buffer.ts';

/** RFC 6455 11.8. */
export const OPCODE = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const;

/** RFC 6455 7.4.1. */
export const CLOSE = { protocolError: 1002, notUtf8: 1007, tooBig: 1009 } as const;

const FIN = 0x80;
const RESERVED = 0x70;
const MASKED = 0x80;
const MASK_BYTES = 4;
/** RFC 6455 5.5. */
const MAX_CONTROL_BYTES = 125;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

export interface FrameEvents {
  message(payload: Buffer): void;
  ping(payload: Buffer): void;
  /** @param payload code and reason, to be sent back (RFC 6455 5.5.1) */
  close(payload: Buffer): void;
  /** The client violates RFC 6455; nothing after it is read. @param code one of {@link CLOSE} */
  failed(code: number): void;
}

interface Frame {
  readonly fin: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
  readonly end: number;
}

/** Finds the messages in the bytes of a WebSocket client (RFC 6455 5), without extensions. */
export class FrameReader {
  readonly #rest = new GrowingBuffer();
  /** Payload so far of a fragmented message, and its opcode. */
  readonly #fragments = new GrowingBuffer();
  #opcode: number | undefined;
  #ended = false;

  constructor(private readonly events: FrameEvents) {}

  get halfOpen(): boolean {
    return this.#rest.length > 0 || this.#opcode !== undefined;
  }

  get keptBytes(): number {
    return this.#rest.length + this.#fragments.length;
  }

  push(chunk: Buffer): void {
    this.#rest.append(chunk);
    const { bytes } = this.#rest;
    let at = 0;
    while (!this.#ended) {
      const frame = this.#frameAt(bytes, at);
      if (!frame) break;
      at = frame.end;
      this.#take(frame);
    }
    if (at === 0 && !this.#ended) return;
    const rest = this.#ended ? bytes.subarray(0, 0) : bytes.subarray(at);
    this.#rest.clear();
    this.#rest.append(rest);
  }

  /** The frame at that index, unmasked; undefined when it is incomplete or invalid. */
  #frameAt(bytes: Buffer, at: number): Frame | undefined {
    if (bytes.length - at < 2) return undefined;
    const first = bytes.readUInt8(at);
    const second = bytes.readUInt8(at + 1);
    const opcode = first & 0x0f;
    const short = second & 0x7f;
    const control = opcode >= OPCODE.close;
    // RFC 6455 5.1: clients mask. 5.2: reserved bits are zero. 5.5: control frames are short and not fragmented.
    const sound = (first & RESERVED) === 0 && (second & MASKED) !== 0;
    if (!sound || (control && (short > MAX_CONTROL_BYTES || (first & FIN) === 0)))
      return this.#fail(CLOSE.protocolError);

    const lengthBytes = short === LENGTH_16 ? 2 : short === LENGTH_64 ? 8 : 0;
    const mask = at + 2 + lengthBytes;
    const start = mask + MASK_BYTES;
    if (bytes.length < start) return undefined;
    const length =
      lengthBytes === 0
        ? short
        : lengthBytes === 2
          ? bytes.readUInt16BE(at + 2)
          : Number(bytes.readBigUInt64BE(at + 2));
    // Checked before the payload is collected.
    if (length + (control ? 0 : this.#fragments.length) > MAX_MESSAGE_BYTES) return this.#fail(CLOSE.tooBig);
    const end = start + length;
    if (bytes.length < end) return undefined;
    const payload = Buffer.from(bytes.subarray(start, end));
    for (let i = 0; i < length; i++) payload[i] = (payload[i] ?? 0) ^ (bytes[mask + (i & 3)] ?? 0);
    return { fin: (first & FIN) !== 0, opcode, payload, end };
  }

  #take({ fin, opcode, payload }: Frame): void {
    switch (opcode) {
      case OPCODE.text:
      case OPCODE.binary:
        if (this.#opcode !== undefined) this.#fail(CLOSE.protocolError);
        else if (fin) this.#message(opcode, payload);
        else {
          this.#opcode = opcode;
          this.#fragments.append(payload);
        }
        break;
      case OPCODE.continuation:
        if (this.#opcode === undefined) this.#fail(CLOSE.protocolError);
        else {
          this.#fragments.append(payload);
          if (fin) this.#lastFragment(this.#opcode);
        }
        break;
      case OPCODE.close:
        this.#ended = true;
        // RFC 6455 5.5.1: a payload begins with two bytes of code.
        if (payload.length === 1) this.events.failed(CLOSE.protocolError);
        else this.events.close(payload);
        break;
      case OPCODE.ping:
        this.events.ping(payload);
        break;
      case OPCODE.pong:
        break;
      default:
        this.#fail(CLOSE.protocolError);
    }
  }

  #lastFragment(opcode: number): void {
    const whole = Buffer.from(this.#fragments.bytes);
    this.#fragments.clear();
    this.#opcode = undefined;
    this.#message(opcode, whole);
  }

  #message(opcode: number, payload: Buffer): void {
    // RFC 6455 8.1.
    if (opcode === OPCODE.text && !isUtf8(payload)) this.#fail(CLOSE.notUtf8);
    else this.events.message(payload);
  }

  #fail(code: number): undefined {
    this.#ended = true;
    this.events.failed(code);
    return undefined;
  }
}

/** An unfragmented frame as a server sends it, not masked. */
export function encodeFrame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const header = Buffer.alloc(length < LENGTH_16 ? 2 : length < 65_536 ? 4 : 10);
  header[0] = FIN | opcode;
  if (length < LENGTH_16) header[1] = length;
  else if (length < 65_536) {
    header[1] = LENGTH_16;
    header.writeUInt16BE(length, 2);
  } else {
    header[1] = LENGTH_64;
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([header, payload]);
}

export function closePayload(code: number): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return payload;
}
